import type { Token } from 'markdown-it';
import { createElement, Fragment, type ReactNode } from 'react';
import { CodeBlock } from './CodeBlock';
import { safeHref } from './parse';

/** What stands for "[1]" in running text. */
export type RenderText = (text: string) => ReactNode;

// Every element that model output may produce. An unknown token renders its children only.
const ELEMENTS: Record<string, string> = {
  paragraph_open: 'p',
  bullet_list_open: 'ul',
  list_item_open: 'li',
  blockquote_open: 'blockquote',
  thead_open: 'thead',
  tbody_open: 'tbody',
  tr_open: 'tr',
  th_open: 'th',
  td_open: 'td',
  strong_open: 'strong',
  em_open: 'em',
  s_open: 's',
};

/** The index of the token that closes the one at `open`. */
function closing(tokens: Token[], open: number): number {
  let depth = 0;
  for (let i = open; i < tokens.length; i++) {
    depth += tokens[i]?.nesting ?? 0;
    if (depth === 0) return i;
  }
  return tokens.length;
}

function element(token: Token, children: ReactNode, key: number): ReactNode {
  switch (token.type) {
    case 'heading_open': {
      // An answer sits below the headings of the page: its h1 is our h3.
      const level = Math.min(Number(token.tag.slice(1)) + 2, 6);
      return createElement(`h${level}`, { key }, children);
    }
    case 'ordered_list_open':
      return (
        <ol key={key} start={Number(token.attrGet('start') ?? 1)}>
          {children}
        </ol>
      );
    case 'table_open':
      return (
        <div key={key} className="md-table" tabIndex={0}>
          <table>{children}</table>
        </div>
      );
    case 'link_open':
      return link(token.attrGet('href'), children, key);
    default: {
      const name = ELEMENTS[token.type];
      if (name === undefined || (name === 'p' && token.hidden)) return <Fragment key={key}>{children}</Fragment>;
      return createElement(name, { key }, children);
    }
  }
}

function link(href: string | number | null, children: ReactNode, key: number): ReactNode {
  const safe = typeof href === 'string' ? safeHref(href) : null;
  if (safe === null) return <Fragment key={key}>{children}</Fragment>;
  return (
    <a key={key} href={safe} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

function leaf(token: Token, text: RenderText, key: number): ReactNode {
  switch (token.type) {
    case 'inline':
      return <Fragment key={key}>{renderTokens(token.children ?? [], text)}</Fragment>;
    case 'text':
      return <Fragment key={key}>{text(token.content)}</Fragment>;
    case 'code_inline':
      return <code key={key}>{token.content}</code>;
    case 'fence':
    case 'code_block':
      return <CodeBlock key={key} code={token.content} language={token.info.trim().split(/\s+/)[0] ?? ''} />;
    case 'softbreak':
    case 'hardbreak':
      return <br key={key} />;
    case 'hr':
      return <hr key={key} />;
    case 'image':
      // Loading it would tell another server who reads this, and when. Its address stays available as a link.
      return link(token.attrGet('src'), token.content || token.attrGet('src'), key);
    default:
      return <Fragment key={key}>{token.content}</Fragment>;
  }
}

export function renderTokens(tokens: Token[], text: RenderText): ReactNode[] {
  const nodes: ReactNode[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    if (!token) continue;
    if (token.nesting === 1) {
      const end = closing(tokens, i);
      nodes.push(element(token, renderTokens(tokens.slice(i + 1, end), text), i));
      i = end;
    } else if (token.nesting === 0) {
      nodes.push(leaf(token, text, i));
    }
  }
  return nodes;
}
