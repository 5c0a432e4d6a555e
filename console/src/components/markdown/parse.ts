import MarkdownIt, { type Token } from 'markdown-it';

// Raw HTML is text here, never markup; what is not in render.tsx's table is not rendered at all. So there is nothing to
// sanitise afterwards: React escapes every string and no string is ever used as HTML.
const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true });
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false });

export interface Block {
  tokens: Token[];
  /** The lines it was made from: equal source, equal result. */
  source: string;
}

/** Top-level blocks, so that a growing answer re-renders its last block only. */
export function parseBlocks(text: string): Block[] {
  const lines = text.split('\n');
  const blocks: Block[] = [];
  let current: Token[] = [];
  let depth = 0;
  for (const token of markdown.parse(text, {})) {
    current.push(token);
    depth += token.nesting;
    if (depth > 0) continue;
    const [from, to] = current[0]?.map ?? [0, 0];
    blocks.push({ tokens: current, source: lines.slice(from, to).join('\n') });
    current = [];
  }
  return blocks;
}

/** Only what may be opened from an answer: absolute web and mail addresses. */
export function safeHref(href: string): string | null {
  try {
    const url = new URL(href);
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url.href : null;
  } catch {
    return null; // relative addresses would point into the console itself
  }
}
