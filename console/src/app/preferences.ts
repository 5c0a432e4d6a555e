// What a person chose about the look of the console; kept in this browser.
import { useSyncExternalStore } from 'react';

export type Theme = 'system' | 'light' | 'dark';
export type Language = 'zh' | 'en';

export interface Preferences {
  theme: Theme;
  /** null: what the browser prefers. */
  language: Language | null;
  /** Last choices in the chat; undefined: never chosen, null: none. */
  model?: string | null;
  base?: string | null;
}

const STORAGE = 'atrium.preferences';
const listeners = new Set<() => void>();
let preferences: Preferences = read();

function read(): Preferences {
  const fallback: Preferences = { theme: 'system', language: null };
  try {
    return { ...fallback, ...(JSON.parse(localStorage.getItem(STORAGE) ?? '{}') as Partial<Preferences>) };
  } catch {
    return fallback;
  }
}

export const getPreferences = (): Preferences => preferences;

export function setPreferences(change: Partial<Preferences>): void {
  preferences = { ...preferences, ...change };
  try {
    localStorage.setItem(STORAGE, JSON.stringify(preferences));
  } catch {
    // storage is full or off: the choice holds until the tab closes
  }
  for (const listener of listeners) listener();
}

export function subscribePreferences(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const usePreferences = (): Preferences => useSyncExternalStore(subscribePreferences, getPreferences);

export function effectiveLanguage(chosen: Language | null = preferences.language): Language {
  if (chosen) return chosen;
  // The first language that the console knows, in the order in which the browser lists them.
  const first = navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag === 'zh' || tag === 'en');
  return first === 'zh' ? 'zh' : 'en';
}

const dark = typeof matchMedia === 'function' ? matchMedia('(prefers-color-scheme: dark)') : null;

/** True when the console is shown dark, following the system when the person left it to that. */
export function useDark(): boolean {
  const { theme } = usePreferences();
  const system = useSyncExternalStore(
    (listener) => {
      dark?.addEventListener('change', listener);
      return () => dark?.removeEventListener('change', listener);
    },
    () => dark?.matches ?? false,
  );
  return theme === 'system' ? system : theme === 'dark';
}
