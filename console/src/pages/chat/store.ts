// Conversations of one key, in this browser, and the answers that are being written right now. Lives beside React, so
// that a stream goes on while its reader looks at another page.
import { ApiError } from '@/api/client';
import { type AnswerEvent, streamAsk, streamChat } from '@/api/chat';
import { type AnswerTurn, type Conversation, history, newId, titleOf, type Turn } from './conversation';

const KEEP = 100;
/** Deltas are shown in steps of this length: smooth to the eye, and 200 tokens/s cost 25 renders. */
const STEP_MS = 40;

export interface Target {
  base: string | null;
  model: string | null;
  smallModel: boolean;
}

export class ConversationStore {
  private list: Conversation[];
  private readonly listeners = new Set<() => void>();
  private readonly running = new Map<string, AbortController>();
  private readonly storage: string;

  constructor(keyId: string) {
    this.storage = `atrium.conversations.${keyId}`;
    this.list = this.load();
  }

  /** Newest first; a new array after each change. */
  readonly all = (): Conversation[] => this.list;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Asks in a conversation, or in a new one when `id` is null. Returns the conversation's id at once. */
  ask(id: string | null, question: string, target: Target): string {
    const now = Date.now();
    const existing = this.list.find((conversation) => conversation.id === id);
    const conversation: Conversation = existing ?? {
      id: newId(), title: titleOf(question), createdAt: now, updatedAt: now, base: null, model: null, turns: [],
    };
    const answer = emptyAnswer(target);
    const turns: Turn[] = [...conversation.turns, { id: newId(), role: 'user', text: question }, answer];
    this.put({ ...conversation, base: target.base, model: target.model, updatedAt: now, turns });
    void this.run(conversation.id, answer.id, question, target);
    return conversation.id;
  }

  /** Replaces the last answer by a new one. */
  again(id: string, target: Target): void {
    const conversation = this.list.find((candidate) => candidate.id === id);
    const question = conversation?.turns.findLast((turn) => turn.role === 'user');
    if (!conversation || !question || this.isRunning(id)) return;
    const answer = emptyAnswer(target);
    const kept = conversation.turns.slice(0, conversation.turns.indexOf(question) + 1);
    this.put({ ...conversation, base: target.base, model: target.model, updatedAt: Date.now(), turns: [...kept, answer] });
    void this.run(id, answer.id, question.text, target);
  }

  /** Whom the next question of a conversation goes to. */
  choose(id: string, change: Partial<Pick<Conversation, 'base' | 'model'>>): void {
    const conversation = this.list.find((candidate) => candidate.id === id);
    if (conversation) this.put({ ...conversation, ...change });
  }

  isRunning = (id: string): boolean => this.running.has(id);

  stop(id: string): void {
    this.running.get(id)?.abort();
  }

  stopAll(): void {
    for (const controller of this.running.values()) controller.abort();
  }

  remove(id: string): void {
    this.stop(id);
    this.list = this.list.filter((conversation) => conversation.id !== id);
    this.save();
    this.notify();
  }

  restore(conversation: Conversation): void {
    this.put(conversation);
  }

  clear(): void {
    this.stopAll();
    this.list = [];
    this.save();
    this.notify();
  }

  private async run(id: string, answerId: string, question: string, target: Target): Promise<void> {
    const controller = new AbortController();
    this.running.set(id, controller);
    const started = performance.now();
    const update = (change: Partial<AnswerTurn>): void => this.updateAnswer(id, answerId, change);

    let text = '';
    let shown = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const show = (): void => {
      timer = undefined;
      if (text.length === shown) return;
      shown = text.length;
      update({ text });
    };
    const on = (event: AnswerEvent): void => {
      switch (event.type) {
        case 'retrieval':
          update({ looked: event.passages.map(({ text: _text, ...rest }) => rest) });
          break;
        case 'delta':
          if (text === '') update({ firstTokenMs: performance.now() - started });
          text += event.text;
          timer ??= setTimeout(show, STEP_MS);
          break;
        case 'usage':
          update({ usage: event.usage, ...(event.model && { model: event.model }) });
          break;
        case 'done':
          if (event.answer) {
            const { answer, kind, model, small_model, citations, usage } = event.answer;
            text = answer;
            update({ kind, model, smallModel: small_model, citations, usage });
          }
      }
    };

    try {
      const events = target.base
        ? streamAsk(target.base, question, target.model ?? undefined, controller.signal)
        : streamChat(target.model ?? '', history(this.turns(id), answerId), controller.signal);
      for await (const event of events) on(event);
      show();
      update({ state: 'done', totalMs: performance.now() - started });
    } catch (cause) {
      show();
      if (controller.signal.aborted) {
        update({ state: 'stopped' });
      } else {
        const error = cause instanceof ApiError ? cause : new ApiError(0, 'client', String(cause));
        const { status, code, message, requestId } = error;
        update({ state: 'failed', error: { status, code, message, requestId } });
      }
    } finally {
      clearTimeout(timer);
      this.running.delete(id);
      this.save();
      this.notify();
    }
  }

  private turns(id: string): Turn[] {
    return this.list.find((conversation) => conversation.id === id)?.turns ?? [];
  }

  private updateAnswer(id: string, answerId: string, change: Partial<AnswerTurn>): void {
    this.list = this.list.map((conversation) =>
      conversation.id !== id
        ? conversation
        : {
            ...conversation,
            turns: conversation.turns.map((turn) => (turn.id === answerId && turn.role === 'answer' ? { ...turn, ...change } : turn)),
          },
    );
    this.notify();
  }

  private put(conversation: Conversation): void {
    this.list = [conversation, ...this.list.filter((other) => other.id !== conversation.id)]
      .sort((a, b) => b.updatedAt - a.updatedAt)
      .slice(0, KEEP);
    this.save();
    this.notify();
  }

  private notify(): void {
    for (const listener of this.listeners) listener();
  }

  private load(): Conversation[] {
    try {
      const list = JSON.parse(localStorage.getItem(this.storage) ?? '[]') as Conversation[];
      if (!Array.isArray(list)) return [];
      // An answer that was being written when the tab went away ended there.
      return list.map((conversation) => ({
        ...conversation,
        turns: conversation.turns.map((turn) =>
          turn.role === 'answer' && turn.state === 'streaming' ? { ...turn, state: 'stopped' as const } : turn,
        ),
      }));
    } catch {
      return [];
    }
  }

  /** When the browser's quota is used up, the oldest half goes. */
  private save(): void {
    for (let keep = this.list.length; ; keep = Math.floor(keep / 2)) {
      try {
        localStorage.setItem(this.storage, JSON.stringify(this.list.slice(0, keep)));
        return;
      } catch {
        if (keep === 0) return;
      }
    }
  }
}

function emptyAnswer(target: Target): AnswerTurn {
  return { id: newId(), role: 'answer', text: '', state: 'streaming', citations: [], looked: null, ...target };
}
