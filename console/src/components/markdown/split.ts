// Finds citation markers, "[1]" or "[1, 2]", in the running text of an answer.

export type TextPart = { kind: 'text'; text: string } | { kind: 'marker'; marker: number };

const MARKER = /\[(\d{1,2}(?:\s*[,，、]\s*\d{1,2})*)\]/g;

/** "as in [1, 3]." → text, marker 1, marker 3, text. Numbers that `known` refuses stay text. */
export function splitMarkers(text: string, known: (marker: number) => boolean): TextPart[] {
  const parts: TextPart[] = [];
  let last = 0;
  for (const match of text.matchAll(MARKER)) {
    const markers = (match[1] ?? '').split(/[,，、]/).map(Number);
    if (!markers.every(known)) continue;
    if (match.index > last) parts.push({ kind: 'text', text: text.slice(last, match.index) });
    for (const marker of markers) parts.push({ kind: 'marker', marker });
    last = match.index + match[0].length;
  }
  if (last < text.length) parts.push({ kind: 'text', text: text.slice(last) });
  return parts;
}
