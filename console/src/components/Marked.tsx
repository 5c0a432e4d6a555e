import type { ReactNode } from 'react';
import type { Span } from './highlight';

/** Text with some of its spans marked; they are in order and do not overlap. */
export function Marked({ text, spans }: { text: string; spans: Span[] }) {
  const nodes: ReactNode[] = [];
  let last = 0;
  for (const { start, end } of spans) {
    nodes.push(text.slice(last, start), <mark key={start}>{text.slice(start, end)}</mark>);
    last = end;
  }
  nodes.push(text.slice(last));
  return <>{nodes}</>;
}
