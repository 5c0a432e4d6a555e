// The two ways to get an answer, both as a stream: from a model alone, or from a knowledge base.
import { errorFromBody, send } from './client';
import { readEvents } from './sse';
import type { Answer, ChatMessage, Passage, Usage } from './types';

export type AnswerEvent =
  | { type: 'retrieval'; passages: Passage[] }
  | { type: 'delta'; text: string }
  | { type: 'usage'; usage: Usage; model: string | null }
  | { type: 'done'; answer: Answer | null };

interface CompletionChunk {
  model?: string;
  choices?: { delta?: { content?: string | null }; finish_reason?: string | null }[];
  usage?: Usage | null;
  error?: unknown;
}

export async function* streamChat(
  model: string,
  messages: ChatMessage[],
  signal: AbortSignal,
): AsyncGenerator<AnswerEvent> {
  const response = await send('/v1/chat/completions', {
    body: { model, messages, stream: true, stream_options: { include_usage: true } },
    signal,
  });
  for await (const { data } of readEvents(response)) {
    if (data === '[DONE]') {
      yield { type: 'done', answer: null };
      return;
    }
    const chunk = JSON.parse(data) as CompletionChunk;
    if (chunk.error) throw errorFromBody(500, chunk, response.headers.get('x-request-id'));
    const text = chunk.choices?.[0]?.delta?.content;
    if (text) yield { type: 'delta', text };
    if (chunk.usage) yield { type: 'usage', usage: chunk.usage, model: chunk.model ?? null };
  }
  throw errorFromBody(502, { error: { code: 'stream_cut' } }, response.headers.get('x-request-id'));
}

export async function* streamAsk(
  base: string,
  question: string,
  model: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<AnswerEvent> {
  const response = await send(`/atrium/v1/knowledge/${encodeURIComponent(base)}/ask`, {
    body: { question, model, stream: true },
    signal,
  });
  for await (const { event, data } of readEvents(response)) {
    if (data === '[DONE]') continue;
    const body = JSON.parse(data) as unknown;
    if (event === 'retrieval') yield { type: 'retrieval', passages: (body as { data: Passage[] }).data };
    else if (event === 'delta') yield { type: 'delta', text: (body as { text: string }).text };
    else if (event === 'error') throw errorFromBody(500, body, response.headers.get('x-request-id'));
    else if (event === 'done') {
      yield { type: 'done', answer: body as Answer };
      return;
    }
  }
  throw errorFromBody(502, { error: { code: 'stream_cut' } }, response.headers.get('x-request-id'));
}
