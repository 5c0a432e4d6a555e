import { Button } from 'antd';
import { memo, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ArrowDownOutlined } from '@/components/icons';
import { AnswerView } from './AnswerView';
import type { AnswerTurn, Turn } from './conversation';

const Question = memo(({ text }: { text: string }) => {
  const { t } = useTranslation();
  return (
    <div className="question">
      <h2 className="visually-hidden">{t('chat.you')}</h2>
      <p>{text}</p>
    </div>
  );
});

interface Props {
  turns: Turn[];
  running: boolean;
  onAgain: () => void;
  onCitation: (turn: AnswerTurn, marker: number) => void;
  onPassage: (turn: AnswerTurn, chunkId: string) => void;
}

/** The turns so far. Follows a growing answer for as long as its reader stays at the end. */
export default function Transcript({ turns, running, onAgain, onCitation, onPassage }: Props) {
  const { t } = useTranslation();
  const scroller = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);

  const toEnd = (): void => {
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  };
  const onScroll = (): void => {
    const element = scroller.current;
    if (element) setAtEnd(element.scrollHeight - element.scrollTop - element.clientHeight < 60);
  };
  useEffect(() => {
    if (atEnd) toEnd();
  }, [turns, atEnd]);
  // A question of one's own always comes into view.
  useEffect(() => {
    setAtEnd(true);
    toEnd();
  }, [turns.length]);

  return (
    <div className="transcript-frame">
      <div ref={scroller} className="transcript" onScroll={onScroll} tabIndex={-1}>
        <div className="transcript-column" role="log" aria-live="polite" aria-busy={running}>
          {turns.map((turn, index) =>
            turn.role === 'user' ? (
              <Question key={turn.id} text={turn.text} />
            ) : (
              <AnswerView
                key={turn.id}
                turn={turn}
                onAgain={index === turns.length - 1 ? onAgain : undefined}
                onCitation={onCitation}
                onPassage={onPassage}
              />
            ),
          )}
        </div>
      </div>
      {!atEnd && (
        <Button className="to-end" shape="circle" icon={<ArrowDownOutlined />} aria-label={t('chat.latest')} onClick={toEnd} />
      )}
    </div>
  );
}
