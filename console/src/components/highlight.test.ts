import { describe, expect, it } from 'vitest';
import { locateQuote, queryTerms, termSpans } from './highlight';

const cut = (text: string, span: { start: number; end: number } | null): string | null =>
  span && text.slice(span.start, span.end);

describe('locateQuote', () => {
  it('counts code points, as the server does', () => {
    const text = '🏛️𠮷 年假为十五天。病假另计。';
    const quote = '年假为十五天。';
    const start = [...text].indexOf('年');
    expect(cut(text, locateQuote(text, quote, start, start + [...quote].length))).toBe(quote);
  });

  it('does not believe offsets that do not fit', () => {
    const text = 'One. Fifteen days a year. Three.';
    expect(cut(text, locateQuote(text, 'Fifteen days a year.', 0, 4))).toBe('Fifteen days a year.');
  });

  it('bridges line breaks', () => {
    const text = 'Employees get\n  fifteen days (15) a year.';
    expect(cut(text, locateQuote(text, 'get fifteen days (15) a', 0, 3))).toBe('get\n  fifteen days (15) a');
  });

  it('marks nothing rather than something wrong', () => {
    expect(locateQuote('abc', 'xyz', 0, 3)).toBeNull();
    expect(locateQuote('abc', '', 0, 0)).toBeNull();
  });
});

describe('queryTerms and termSpans', () => {
  it('marks words and bigrams', () => {
    expect(queryTerms('年假多少 of the VPN a')).toEqual(['年假', '假多', '多少', 'vpn']);
    const text = '年假 via VPN, not vpns';
    expect(termSpans(text, queryTerms('年假 vpn')).map((span) => cut(text, span))).toEqual(['年假', 'VPN']);
  });

  it('merges overlaps', () => {
    expect(termSpans('年假多少', queryTerms('年假多'))).toEqual([{ start: 0, end: 3 }]);
  });
});
