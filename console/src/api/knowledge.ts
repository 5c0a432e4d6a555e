// Knowledge bases: OpenAI's vector stores and files, and Atrium's own views of them.
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { request } from './client';
import type { Chunk, ChunkInContext, KnowledgeFile, Page, SearchHit, VectorStore } from './types';

const store = (id: string): string => `/v1/vector_stores/${encodeURIComponent(id)}`;
const knowledge = (id: string): string => `/atrium/v1/knowledge/${encodeURIComponent(id)}`;

const POLL_MS = 700;

/** The cursor of the next page: OpenAI's `after` is the id of the last object seen. */
function nextCursor<T extends { id: string }>(page: Page<T>): string | undefined {
  return page.has_more ? page.data.at(-1)?.id : undefined;
}

const busy = (base: VectorStore): boolean => base.file_counts.in_progress > 0;

export function useBases() {
  return useQuery({
    queryKey: ['bases'],
    queryFn: async ({ signal }) =>
      (await request<Page<VectorStore>>('/v1/vector_stores', { query: { limit: 100, order: 'desc' }, signal })).data,
    refetchInterval: (query) => (query.state.data?.some(busy) ? 2_000 : false),
  });
}

export function useBase(id: string) {
  return useQuery({
    queryKey: ['base', id],
    queryFn: ({ signal }) => request<VectorStore>(store(id), { signal }),
    refetchInterval: (query) => (query.state.data && busy(query.state.data) ? 2_000 : false),
  });
}

export function useCreateBase() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (name: string) => request<VectorStore>('/v1/vector_stores', { body: { name } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['bases'] }),
  });
}

export function useDeleteBase() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => request(store(id), { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['bases'] }),
  });
}

/** The documents of a base, newest first; asked again while any of them is being worked on. */
export function useBaseFiles(id: string) {
  return useInfiniteQuery({
    queryKey: ['base', id, 'files'],
    queryFn: ({ pageParam, signal }) =>
      request<Page<KnowledgeFile>>(`${knowledge(id)}/files`, { query: { limit: 100, after: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: nextCursor,
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.data.some((file) => file.status === 'in_progress')) ? POLL_MS : false,
  });
}

export const attachFile = (base: string, fileId: string, signal: AbortSignal): Promise<unknown> =>
  request(`${store(base)}/files`, { body: { file_id: fileId }, signal });

/** Takes a document out of a base. The stored file itself stays: other bases may hold it. */
export function useRemoveFile(base: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (fileId: string) => request(`${store(base)}/files/${encodeURIComponent(fileId)}`, { method: 'DELETE' }),
    onSuccess: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: ['base', base] }),
        client.invalidateQueries({ queryKey: ['bases'] }),
      ]),
  });
}

export function useChunks(base: string, fileId: string) {
  return useInfiniteQuery({
    queryKey: ['base', base, 'chunks', fileId],
    queryFn: ({ pageParam, signal }) =>
      request<Page<Chunk>>(`${knowledge(base)}/files/${encodeURIComponent(fileId)}/chunks`, {
        query: { limit: 50, after: pageParam },
        signal,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: nextCursor,
  });
}

export function useChunk(base: string, chunkId: string | undefined) {
  return useQuery({
    queryKey: ['base', base, 'chunk', chunkId],
    queryFn: ({ signal }) =>
      request<ChunkInContext>(`${knowledge(base)}/chunks/${encodeURIComponent(chunkId ?? '')}`, { signal }),
    enabled: chunkId !== undefined,
    staleTime: 60_000,
  });
}

/** Both legs of the search and what they were fused to. An empty query asks nothing. */
export function useSearch(base: string, query: string) {
  return useQuery({
    queryKey: ['base', base, 'search', query],
    queryFn: async ({ signal }) =>
      (await request<Page<SearchHit>>(`${knowledge(base)}/search`, { body: { query, limit: 20 }, signal })).data,
    enabled: query !== '',
    staleTime: 30_000,
  });
}
