// Files on their way into knowledge bases. Lives beside React, so that uploads go on while another page is open.
import { attachFile } from '@/api/knowledge';
import { uploadFile } from '@/api/upload';

export interface Upload {
  id: number;
  base: string;
  name: string;
  bytes: number;
  state: 'waiting' | 'uploading' | 'attaching' | 'failed';
  /** 0 to 1, of the bytes. */
  progress: number;
  /** An ApiError of the server, or "empty" or "folder" where we refused by ourselves. */
  error?: unknown;
}

interface Job extends Upload {
  file: File;
  controller: AbortController;
}

/** Enough to keep a connection busy, few enough that the first files are ready while the last still wait. */
const PARALLEL = 3;

export class UploadStore {
  private jobs: Job[] = [];
  private shown: Upload[] = [];
  private nextId = 1;
  private readonly listeners = new Set<() => void>();

  /** `onAttached` is called each time that a base has got a new document. */
  constructor(private readonly onAttached: (base: string) => void) {}

  /** In order of arrival; a new array after each change. Finished uploads leave it. */
  readonly all = (): Upload[] => this.shown;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  add(base: string, files: Iterable<File>): void {
    for (const file of files) {
      this.jobs.push({
        id: this.nextId++, base, name: file.name, bytes: file.size, state: 'waiting', progress: 0,
        file, controller: new AbortController(),
      });
    }
    this.changed();
    this.next();
  }

  retry(id: number): void {
    const job = this.jobs.find((candidate) => candidate.id === id && candidate.state === 'failed');
    if (!job) return;
    Object.assign(job, { state: 'waiting', progress: 0, error: undefined, controller: new AbortController() });
    this.changed();
    this.next();
  }

  /** Stops an upload, or takes a failed one off the list. */
  dismiss(id: number): void {
    this.jobs.find((job) => job.id === id)?.controller.abort();
    this.jobs = this.jobs.filter((job) => job.id !== id);
    this.changed();
    this.next();
  }

  stopAll(): void {
    for (const job of this.jobs) job.controller.abort();
    this.jobs = [];
    this.changed();
  }

  private next(): void {
    const busy = this.jobs.filter((job) => job.state === 'uploading' || job.state === 'attaching').length;
    const waiting = this.jobs.filter((job) => job.state === 'waiting');
    for (const job of waiting.slice(0, Math.max(0, PARALLEL - busy))) void this.run(job);
  }

  private async run(job: Job): Promise<void> {
    const { signal } = job.controller;
    job.state = 'uploading';
    this.changed();
    try {
      await checkReadable(job.file);
      const onProgress = (part: number): void => {
        job.progress = part;
        this.changed();
      };
      const stored = await uploadFile(job.file, onProgress, signal);
      job.state = 'attaching';
      this.changed();
      await attachFile(job.base, stored.id, signal);
      this.jobs = this.jobs.filter((other) => other !== job);
      this.onAttached(job.base);
    } catch (error) {
      if (!signal.aborted) Object.assign(job, { state: 'failed', error });
    }
    this.changed();
    this.next();
  }

  private changed(): void {
    this.shown = this.jobs.map(({ file: _file, controller: _controller, ...upload }) => upload);
    for (const listener of this.listeners) listener();
  }
}

/** A dropped folder looks like a file until it is read. */
async function checkReadable(file: File): Promise<void> {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Error('folder');
  }
  if (file.size === 0) throw new Error('empty');
}
