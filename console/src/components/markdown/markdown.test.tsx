import { renderToStaticMarkup } from 'react-dom/server';
import { describe, expect, it } from 'vitest';
import { parseBlocks } from './parse';
import { type RenderText, renderTokens } from './render';
import { splitMarkers } from './split';

const cite: RenderText = (text) =>
  splitMarkers(text, (marker) => marker <= 3).map((part, index) =>
    part.kind === 'text' ? part.text : <sup key={index}>{part.marker}</sup>,
  );
const html = (source: string): string =>
  renderToStaticMarkup(<>{parseBlocks(source).map((block, i) => <div key={i}>{renderTokens(block.tokens, cite)}</div>)}</>);

describe('citation markers', () => {
  it('become elements in any kind of text', () => {
    expect(html('Fifteen days [1][2].')).toBe('<div><p>Fifteen days <sup>1</sup><sup>2</sup>.</p></div>');
    expect(html('- **十五天**[1, 3]。')).toBe('<div><ul><li><strong>十五天</strong><sup>1</sup><sup>3</sup>。</li></ul></div>');
    expect(html('| a |\n|---|\n| b [2] |')).toContain('<td>b <sup>2</sup></td>');
  });

  it('stay text where there is no such source, and in code', () => {
    expect(html('array[9] and [12]')).toBe('<div><p>array[9] and [12]</p></div>');
    expect(html('`x[1]`')).toContain('<code>x[1]</code>');
  });
});

describe('hostile output', () => {
  it('shows HTML as text', () => {
    const out = html('<img src=x onerror=alert(1)> <script>alert(1)</script>\n\n<iframe src="//evil"></iframe>');
    expect(out).not.toMatch(/<(img|script|iframe)/);
    expect(out).toContain('&lt;script&gt;');
  });

  it('loads no image', () => {
    const out = html('![pixel](https://evil.example/p.png)');
    expect(out).not.toContain('<img');
    expect(out).toContain('href="https://evil.example/p.png"');
  });

  it('links to the web only, in a new tab without a way back', () => {
    expect(html('[x](https://a.example/)')).toContain('target="_blank" rel="noopener noreferrer nofollow"');
    for (const href of ['javascript:alert(1)', 'data:text/html,x', '/keys', '//evil.example', 'vbscript:x', 'file:///etc/passwd']) {
      expect(html(`[x](${href})`), href).not.toContain('<a');
    }
  });
});

describe('blocks', () => {
  it('keep their source while the answer grows', () => {
    const before = parseBlocks('# A\n\npara one\n\npara tw');
    const after = parseBlocks('# A\n\npara one\n\npara two\n\n- x');
    expect(after.slice(0, 2).map((b) => b.source)).toEqual(before.slice(0, 2).map((b) => b.source));
    expect(after).toHaveLength(4);
  });
});
