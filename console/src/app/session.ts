// The key of the person who signed in. It lives in this tab only: in memory and in sessionStorage, which the browser
// drops with the tab. It never reaches localStorage, a cookie or a URL.

const STORAGE = 'atrium.key';

type Listener = () => void;

export interface SessionState {
  key: string | null;
  /** Why the last session ended, when the server refused the key. */
  rejected: boolean;
}

let state: SessionState = { key: read(), rejected: false };
const listeners = new Set<Listener>();

function read(): string | null {
  try {
    return sessionStorage.getItem(STORAGE);
  } catch {
    return null; // storage is switched off: the key lives in memory
  }
}

function set(next: SessionState): void {
  state = next;
  try {
    if (next.key === null) sessionStorage.removeItem(STORAGE);
    else sessionStorage.setItem(STORAGE, next.key);
  } catch {
    // as above
  }
  for (const listener of listeners) listener();
}

export const session = {
  get: (): SessionState => state,
  subscribe(listener: Listener): () => void {
    listeners.add(listener);
    return () => listeners.delete(listener);
  },
  signIn: (key: string): void => set({ key, rejected: false }),
  signOut: (): void => set({ key: null, rejected: false }),
  /** The server answered 401 to this key: it was revoked, or never valid. A late answer to an older key is ignored. */
  reject(key: string | null): void {
    if (key !== null && key === state.key) set({ key: null, rejected: true });
  },
};
