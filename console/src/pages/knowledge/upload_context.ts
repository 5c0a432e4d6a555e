import { createContext, useContext, useMemo, useSyncExternalStore } from 'react';
import type { Upload, UploadStore } from './upload_store';

export const UploadContext = createContext<UploadStore | null>(null);

export function useUploadStore(): UploadStore {
  const store = useContext(UploadContext);
  if (!store) throw new Error('UploadContext is missing');
  return store;
}

export function useUploads(base: string): Upload[] {
  const store = useUploadStore();
  const all = useSyncExternalStore(store.subscribe, store.all);
  return useMemo(() => all.filter((upload) => upload.base === base), [all, base]);
}
