import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { request } from './client';
import type { ApiKey, NewApiKey, Page, Project } from './types';

const keysOf = (project: string): string => `/atrium/v1/projects/${encodeURIComponent(project)}/keys`;

export function useProjects(enabled: boolean) {
  return useQuery({
    queryKey: ['projects'],
    queryFn: async ({ signal }) => (await request<Page<Project>>('/atrium/v1/projects', { signal })).data,
    enabled,
  });
}

export function useCreateProject() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => request<Project>('/atrium/v1/projects', { body: { name } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['projects'] }),
  });
}

export function useKeys(project: string | undefined) {
  return useQuery({
    queryKey: ['projects', project, 'keys'],
    queryFn: async ({ signal }) => (await request<Page<ApiKey>>(keysOf(project ?? ''), { signal })).data,
    enabled: project !== undefined,
  });
}

export function useCreateKey(project: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (key: { name: string; admin: boolean }) => request<NewApiKey>(keysOf(project), { body: key }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['projects', project, 'keys'] }),
  });
}

export function useRevokeKey(project: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => request(`${keysOf(project)}/${encodeURIComponent(id)}`, { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['projects', project, 'keys'] }),
  });
}
