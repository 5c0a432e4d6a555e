import { createContext, useContext, useSyncExternalStore } from 'react';
import type { Conversation } from './conversation';
import type { ConversationStore } from './store';

export const ConversationContext = createContext<ConversationStore | null>(null);

export function useConversationStore(): ConversationStore {
  const store = useContext(ConversationContext);
  if (!store) throw new Error('ConversationContext is missing');
  return store;
}

export function useConversations(): Conversation[] {
  const store = useConversationStore();
  return useSyncExternalStore(store.subscribe, store.all);
}
