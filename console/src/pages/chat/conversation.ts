// What a conversation is, and what of it is kept.
import type { AnswerKind, ChatMessage, Citation, Passage, Usage } from '@/api/types';

export interface UserTurn {
  id: string;
  role: 'user';
  text: string;
}

/** A passage that was looked at; its text is fetched again when it is opened. */
export type Looked = Omit<Passage, 'text'>;

export interface AnswerTurn {
  id: string;
  role: 'answer';
  text: string;
  state: 'streaming' | 'done' | 'stopped' | 'failed';
  /** The knowledge base that was asked; null: the model alone. */
  base: string | null;
  model: string | null;
  smallModel: boolean;
  kind?: AnswerKind;
  citations: Citation[];
  looked: Looked[] | null;
  usage?: Usage | null;
  firstTokenMs?: number;
  totalMs?: number;
  error?: { status: number; code: string; message: string; requestId: string | null };
}

export type Turn = UserTurn | AnswerTurn;

export interface Conversation {
  id: string;
  title: string;
  createdAt: number;
  updatedAt: number;
  base: string | null;
  model: string | null;
  turns: Turn[];
}

export function titleOf(question: string): string {
  const line = question.trim().replace(/\s+/g, ' ');
  const characters = [...line];
  return characters.length > 60 ? `${characters.slice(0, 59).join('')}…` : line;
}

const HISTORY_CHARACTERS = 12_000;

/**
 * What a model is told of the conversation before the answer `until`: whole turns from the newest backwards, as many as
 * fit into about half of an 8k context. Failed and empty answers are left out together with their questions, because a
 * chat template wants the roles to alternate.
 */
export function history(turns: Turn[], until: string): ChatMessage[] {
  const end = turns.findIndex((turn) => turn.id === until);
  const before = end < 0 ? turns : turns.slice(0, end);
  const messages: ChatMessage[] = [];
  let room = HISTORY_CHARACTERS;
  for (let i = before.length - 1; i >= 0; i--) {
    const turn = before[i];
    if (!turn) continue;
    if (turn.role === 'answer') {
      if (turn.text === '') i--; // skips the question, too
      else messages.unshift({ role: 'assistant', content: turn.text });
    } else {
      messages.unshift({ role: 'user', content: turn.text });
    }
    room -= turn.text.length;
    if (room < 0 && messages.length > 1) break;
  }
  while (messages[0]?.role === 'assistant') messages.shift();
  return messages;
}

export const newId = (): string => Array.from(crypto.getRandomValues(new Uint8Array(9)), (b) => b.toString(36).padStart(2, '0')).join('');
