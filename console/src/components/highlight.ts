// Where a citation's quote stands in its passage.

export interface Span {
  start: number;
  end: number;
}

/** UTF-16 offset of the code point number `index`. */
function utf16Offset(text: string, index: number): number {
  let offset = 0;
  for (let i = 0; i < index && offset < text.length; i++) offset += (text.codePointAt(offset) ?? 0) > 0xffff ? 2 : 1;
  return offset;
}

/**
 * UTF-16 span of `quote` in `text`, or null when it is not there. The server's offsets count characters (code points);
 * they are believed only when the text between them is the quote, because a wrong highlight is worse than none. Should
 * they not fit, for instance because the passage was trimmed, the quote itself is looked up, blank for blank.
 */
export function locateQuote(text: string, quote: string, start: number, end: number): Span | null {
  if (quote === '') return null;
  const span = { start: utf16Offset(text, start), end: utf16Offset(text, end) };
  if (text.slice(span.start, span.end) === quote) return span;
  const at = text.indexOf(quote);
  if (at >= 0) return { start: at, end: at + quote.length };
  const words = quote.trim().split(/\s+/).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const match = new RegExp(words.join('\\s+')).exec(text);
  return match ? { start: match.index, end: match.index + match[0].length } : null;
}

// Words that stand in every passage: marking them would drown the others.
const COMMON = new Set(
  'a an and are as at be by can did do does for from has have how i in is it its my of on or that the this to was what when where which who why will with you your'.split(' '),
);

/** The words of a query worth marking in a hit: Latin words of two letters or more, and runs of CJK as bigrams. */
export function queryTerms(query: string): string[] {
  const terms = new Set<string>();
  for (const [run] of query.toLowerCase().matchAll(/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]+|[\p{L}\p{N}]+/gu)) {
    if (/[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u.test(run)) {
      const characters = [...run];
      for (let i = 0; i + 1 < characters.length; i++) terms.add(`${characters[i]}${characters[i + 1]}`);
      if (characters.length === 1) terms.add(run);
    } else if (run.length > 1 && !COMMON.has(run)) {
      terms.add(run);
    }
  }
  return [...terms];
}

/** The spans of all terms in a text, merged, in order. Latin terms match whole words only. */
export function termSpans(text: string, terms: string[]): Span[] {
  if (terms.length === 0) return [];
  const lower = text.toLowerCase();
  if (lower.length !== text.length) return []; // a script whose lower case has another length: offsets would be off
  const found: Span[] = [];
  for (const term of terms) {
    const latin = /^[a-z0-9]/.test(term);
    for (let at = lower.indexOf(term); at >= 0; at = lower.indexOf(term, at + term.length)) {
      const end = at + term.length;
      const inside = /[a-z0-9]/.test(lower[at - 1] ?? '') || /[a-z0-9]/.test(lower[end] ?? '');
      if (!latin || !inside) found.push({ start: at, end });
    }
  }
  found.sort((a, b) => a.start - b.start);
  const merged: Span[] = [];
  for (const span of found) {
    const last = merged.at(-1);
    if (last && span.start <= last.end) last.end = Math.max(last.end, span.end);
    else merged.push({ ...span });
  }
  return merged;
}
