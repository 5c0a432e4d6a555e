/** One event of a text/event-stream. `event` is "message" when the server gave no name. */
export interface ServerEvent {
  event: string;
  data: string;
}

/**
 * Incremental reader of text/event-stream (WHATWG HTML §9.2.6): any split of the text over calls gives the same events.
 * CR, LF and CRLF end lines; comments and unknown fields are skipped; an event without data is dropped.
 */
export class SseParser {
  private rest = '';
  private data: string[] = [];
  private event = '';
  private first = true;

  push(text: string): ServerEvent[] {
    this.rest += text;
    if (this.first && this.rest !== '') {
      this.first = false;
      if (this.rest.startsWith('\uFEFF')) this.rest = this.rest.slice(1);
    }
    const events: ServerEvent[] = [];
    let start = 0;
    for (let i = 0; i < this.rest.length; i++) {
      const c = this.rest[i];
      if (c !== '\n' && c !== '\r') continue;
      // A CR at the very end may be half of a CRLF: wait for what follows.
      if (c === '\r' && i + 1 === this.rest.length) break;
      const line = this.rest.slice(start, i);
      if (c === '\r' && this.rest[i + 1] === '\n') i++;
      start = i + 1;
      const event = this.line(line);
      if (event) events.push(event);
    }
    this.rest = this.rest.slice(start);
    return events;
  }

  private line(line: string): ServerEvent | null {
    if (line === '') {
      const done = this.data.length > 0 ? { event: this.event || 'message', data: this.data.join('\n') } : null;
      this.data = [];
      this.event = '';
      return done;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value.startsWith(' ')) value = value.slice(1);
    if (field === 'data') this.data.push(value);
    else if (field === 'event') this.event = value;
    return null;
  }
}

/** The events of a response body, until it ends or is aborted (then the abort is thrown). */
export async function* readEvents(response: Response): AsyncGenerator<ServerEvent> {
  if (!response.body) return;
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  const parser = new SseParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    // Leaving early must also tell the server to stop; after the end this is a no-op.
    await reader.cancel().catch(() => undefined);
  }
}
