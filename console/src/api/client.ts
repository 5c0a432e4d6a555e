import { session } from '@/app/session';

/** A request that failed: the server's own words when it answered, else `code` "network". */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly requestId: string | null = null,
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

interface WireError {
  error?: { message?: unknown; code?: unknown; type?: unknown };
}

/** Turns the body of a failed response, or an `error` event inside a stream, into an ApiError. */
export function errorFromBody(status: number, body: unknown, requestId: string | null): ApiError {
  const error = (body as WireError | null)?.error;
  const message = typeof error?.message === 'string' ? error.message : '';
  const code = [error?.code, error?.type].find((value): value is string => typeof value === 'string' && value !== '');
  return new ApiError(status, code ?? `http_${status}`, message, requestId);
}

export interface RequestOptions {
  method?: string;
  /** Sent as JSON, unless it is FormData. */
  body?: unknown;
  query?: Record<string, string | number | undefined>;
  signal?: AbortSignal;
  /** Another key than that of the session; used to try one before signing in. */
  key?: string;
}

export function withQuery(path: string, query: RequestOptions['query']): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  const text = parameters.toString();
  return text === '' ? path : `${path}?${text}`;
}

/** Sends a request and returns the response once its status is 2xx; everything else is thrown as ApiError. */
export async function send(path: string, options: RequestOptions = {}): Promise<Response> {
  const key = options.key ?? session.get().key;
  const headers = new Headers({ Accept: 'application/json' });
  if (key !== null) headers.set('Authorization', `Bearer ${key}`);
  let body: BodyInit | undefined;
  if (options.body instanceof FormData) {
    body = options.body;
  } else if (options.body !== undefined) {
    headers.set('Content-Type', 'application/json');
    body = JSON.stringify(options.body);
  }
  let response: Response;
  try {
    response = await fetch(withQuery(path, options.query), {
      method: options.method ?? (body === undefined ? 'GET' : 'POST'),
      headers,
      body,
      signal: options.signal,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
    });
  } catch (cause) {
    if (options.signal?.aborted) throw cause;
    throw new ApiError(0, 'network', '');
  }
  if (!response.ok) {
    const parsed: unknown = await response.json().catch(() => null);
    if (response.status === 401 && options.key === undefined) session.reject(key);
    throw errorFromBody(response.status, parsed, response.headers.get('x-request-id'));
  }
  return response;
}

export async function request<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const response = await send(path, options);
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}
