// Who am I, what can this server do: asked once and shared by all pages.
import { useQuery } from '@tanstack/react-query';
import { request } from './client';
import type { ModelStatus, ServerStatus, WhoAmI } from './types';

export const fetchWhoAmI = (key?: string): Promise<WhoAmI> => request('/atrium/v1/whoami', { key });

export function useWhoAmI() {
  return useQuery({ queryKey: ['whoami'], queryFn: () => fetchWhoAmI(), staleTime: 5 * 60_000 });
}

/** Polls quickly while a model is still starting, slowly when all is well. */
export function useServerStatus() {
  return useQuery({
    queryKey: ['status'],
    queryFn: ({ signal }) => request<ServerStatus>('/atrium/v1/status', { signal }),
    refetchInterval: (query) => (query.state.data?.models.some((model) => model.state === 'starting') ? 2_000 : 30_000),
  });
}

export const chatModels = (status: ServerStatus | undefined): ModelStatus[] =>
  (status?.models ?? []).filter((model) => model.task === 'chat');
