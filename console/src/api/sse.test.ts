import { describe, expect, it } from 'vitest';
import { readEvents, SseParser } from './sse';

const stream =
  ': hello\r\nevent: retrieval\r\ndata: {"data":[]}\r\n\r\n' +
  'event: delta\ndata: {"text":"中庭 "}\nid: 7\n\n' +
  'data: a\ndata: b\r\r' +
  'event: empty\n\n' +
  'data:[DONE]\n\n';

const expected = [
  { event: 'retrieval', data: '{"data":[]}' },
  { event: 'delta', data: '{"text":"中庭 "}' },
  { event: 'message', data: 'a\nb' },
  { event: 'message', data: '[DONE]' },
];

describe('SseParser', () => {
  it('gives the same events however the text is cut', () => {
    for (let size = 1; size <= stream.length; size++) {
      const parser = new SseParser();
      const events = [];
      for (let at = 0; at < stream.length; at += size) events.push(...parser.push(stream.slice(at, at + size)));
      expect(events, `pieces of ${size}`).toEqual(expected);
    }
  });

  it('keeps an unfinished event back', () => {
    const parser = new SseParser();
    expect(parser.push('data: half')).toEqual([]);
    expect(parser.push('\n')).toEqual([]);
    expect(parser.push('\n')).toEqual([{ event: 'message', data: 'half' }]);
  });

  it('drops a byte order mark', () => {
    expect(new SseParser().push('\uFEFFdata: x\n\n')).toEqual([{ event: 'message', data: 'x' }]);
  });
});

describe('readEvents', () => {
  it('joins characters that were cut between two pieces of the body', async () => {
    const bytes = new TextEncoder().encode(stream);
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += 3) controller.enqueue(bytes.slice(at, at + 3));
        controller.close();
      },
    });
    const events = [];
    for await (const event of readEvents(new Response(body))) events.push(event);
    expect(events).toEqual(expected);
  });
});
