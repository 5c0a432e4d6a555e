import { session } from '@/app/session';
import { ApiError, errorFromBody } from './client';
import type { StoredFile } from './types';

/**
 * POST /v1/files with progress from 0 to 1. XMLHttpRequest, because fetch does not report how much of a request body
 * has left.
 */
export function uploadFile(file: File, onProgress: (part: number) => void, signal: AbortSignal): Promise<StoredFile> {
  return new Promise((resolve, reject) => {
    const key = session.get().key;
    const xhr = new XMLHttpRequest();
    const stop = (): void => xhr.abort();
    const fail = (error: Error): void => {
      signal.removeEventListener('abort', stop);
      reject(error);
    };
    xhr.open('POST', '/v1/files');
    if (key !== null) xhr.setRequestHeader('Authorization', `Bearer ${key}`);
    xhr.upload.onprogress = (event) => {
      if (event.lengthComputable && event.total > 0) onProgress(event.loaded / event.total);
    };
    xhr.onabort = () => fail(new DOMException('aborted', 'AbortError'));
    xhr.onerror = () => fail(new ApiError(0, 'network', ''));
    xhr.onload = () => {
      let body: unknown = null;
      try {
        body = JSON.parse(xhr.responseText);
      } catch {
        // an error page of something between us and the server: the status says enough
      }
      if (xhr.status >= 200 && xhr.status < 300 && body !== null) {
        signal.removeEventListener('abort', stop);
        resolve(body as StoredFile);
        return;
      }
      if (xhr.status === 401) session.reject(key);
      fail(errorFromBody(xhr.status, body, xhr.getResponseHeader('x-request-id')));
    };
    if (signal.aborted) {
      fail(new DOMException('aborted', 'AbortError'));
      return;
    }
    signal.addEventListener('abort', stop);
    const form = new FormData();
    form.append('purpose', 'assistants');
    form.append('file', file, file.name);
    xhr.send(form);
  });
}
