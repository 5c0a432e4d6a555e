import { memo, useMemo } from 'react';
import './markdown.css';
import { type Block, parseBlocks } from './parse';
import { type RenderText, renderTokens } from './render';

const plain: RenderText = (text) => text;

const BlockView = memo(
  ({ block, text }: { block: Block; text: RenderText }) => <>{renderTokens(block.tokens, text)}</>,
  (before, after) => before.block.source === after.block.source && before.text === after.text,
);

/**
 * Shows untrusted Markdown. `text` renders running text and must keep its identity while nothing changes: blocks that
 * did not change are not rendered again.
 */
export function Markdown({ source, text = plain }: { source: string; text?: RenderText }) {
  const blocks = useMemo(() => parseBlocks(source), [source]);
  return (
    <div className="md">
      {blocks.map((block, index) => (
        <BlockView key={index} block={block} text={text} />
      ))}
    </div>
  );
}
