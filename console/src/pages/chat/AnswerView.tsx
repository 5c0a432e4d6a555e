import { Button, Tooltip } from 'antd';
import { memo, useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import { RedoOutlined } from '@/components/icons';
import { ApiError } from '@/api/client';
import { CopyButton } from '@/components/CopyButton';
import { useFormat } from '@/components/format';
import { Mark } from '@/components/Mark';
import { Markdown } from '@/components/markdown/Markdown';
import type { RenderText } from '@/components/markdown/render';
import { splitMarkers } from '@/components/markdown/split';
import { useErrorText } from '@/components/states';
import type { AnswerTurn } from './conversation';
import { SmallModelTag } from './SmallModel';
import { Sources } from './Sources';

interface Props {
  turn: AnswerTurn;
  onAgain?: () => void;
  onCitation: (turn: AnswerTurn, marker: number) => void;
  onPassage: (turn: AnswerTurn, chunkId: string) => void;
}

/** What a marker in the text looks like: a chip that opens its source, as soon as the source is known. */
function useCitations(turn: AnswerTurn, onCitation: Props['onCitation']): RenderText {
  const { t } = useTranslation();
  const { citations, state, base } = turn;
  return useCallback(
    (text) => {
      if (base === null) return text;
      // Until the answer is complete its citations are unknown; markers are shown, but not yet to be clicked.
      const pending = state === 'streaming';
      const find = (marker: number) => citations.find((citation) => citation.marker === marker);
      return splitMarkers(text, (marker) => pending || find(marker) !== undefined).map((part, index) => {
        if (part.kind === 'text') return part.text;
        const citation = find(part.marker);
        if (!citation) {
          return (
            <span key={index} className="cite pending">
              {part.marker}
            </span>
          );
        }
        return (
          <button
            key={index}
            type="button"
            className="bare cite"
            aria-label={t('chat.openSource', { marker: part.marker, file: citation.filename })}
            title={citation.filename}
            onClick={() => onCitation(turn, part.marker)}
          >
            {part.marker}
          </button>
        );
      });
    },
    // `turn` changes with each delta; what is drawn and opened here depends on these only.
    // Its text is of no use to the drawer.
    [citations, state === 'streaming', base, turn.id, onCitation, t],
  );
}

/** While an answer grows, half a marker at its end is not shown: it would flicker. */
const shownText = ({ text, state, base }: AnswerTurn): string =>
  state === 'streaming' && base !== null ? text.replace(/\s?\[[\d\s,，、]*$/, '') : text;

function Progress({ turn }: { turn: AnswerTurn }) {
  const { t } = useTranslation();
  let words = t('chat.thinking');
  if (turn.base !== null) words = turn.looked ? t('chat.reading', { count: turn.looked.length }) : t('chat.searching');
  return (
    <p className="answer-progress" role="status">
      <span className="dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      {words}…
    </p>
  );
}

function Facts({ turn }: { turn: AnswerTurn }) {
  const { t } = useTranslation();
  const format = useFormat();
  const facts = [
    turn.usage ? t('chat.tokens', { prompt: turn.usage.prompt_tokens, completion: turn.usage.completion_tokens }) : null,
    turn.firstTokenMs !== undefined ? t('chat.firstToken', { time: format.elapsed(turn.firstTokenMs) }) : null,
    turn.totalMs !== undefined ? t('chat.total', { time: format.elapsed(turn.totalMs) }) : null,
  ].filter(Boolean);
  return (
    <Tooltip title={facts.join(' · ')}>
      <span className="answer-model" tabIndex={0} aria-label={`${t('chat.facts')}: ${[turn.model, ...facts].filter(Boolean).join(', ')}`}>
        {turn.model ?? format.elapsed(turn.totalMs ?? 0)}
      </span>
    </Tooltip>
  );
}

function Failure({ turn }: { turn: AnswerTurn }) {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const { error } = turn;
  if (!error) return null;
  return (
    <div className="answer-failed" role="alert">
      <strong>{t(turn.text === '' ? 'chat.failed' : 'chat.brokenOff')}</strong>
      <p>{errorText(new ApiError(error.status, error.code, error.message, error.requestId))}</p>
      {error.requestId && <span className="request-id">{t('error.requestId', { id: error.requestId })}</span>}
    </div>
  );
}

function KindTag({ turn }: { turn: AnswerTurn }) {
  const { t } = useTranslation();
  if (turn.kind !== 'evidence' && turn.kind !== 'abstained') return null;
  return (
    <Tooltip title={t(`chat.${turn.kind}Tip`)}>
      <span className={turn.kind === 'evidence' ? 'tag clay' : 'tag'} tabIndex={0}>
        {t(`chat.${turn.kind}`)}
      </span>
    </Tooltip>
  );
}

export const AnswerView = memo(({ turn, onAgain, onCitation, onPassage }: Props) => {
  const { t } = useTranslation();
  const renderText = useCitations(turn, onCitation);
  const { state } = turn;
  // Evidence and abstention are Atrium's own words; a failure is nobody's.
  const byModel = turn.text !== '' && state !== 'failed' && (turn.kind ?? 'generated') === 'generated';
  return (
    <article className="answer" data-state={state} data-kind={turn.kind}>
      <div className="answer-mark">
        <Mark size={24} />
      </div>
      <div className="answer-body">
        <h2 className="visually-hidden">{t('chat.answer')}</h2>
        <KindTag turn={turn} />
        {turn.text !== '' && <Markdown source={shownText(turn)} text={renderText} />}
        {turn.text === '' && state === 'streaming' && <Progress turn={turn} />}
        {state === 'stopped' && <p className="answer-note">{t('chat.stopped')}</p>}
        {state === 'failed' && <Failure turn={turn} />}
        {state !== 'streaming' && <Sources turn={turn} onCitation={onCitation} onPassage={onPassage} />}
        {state !== 'streaming' && (
          <div className="answer-foot">
            {turn.text !== '' && <CopyButton text={turn.text} />}
            {onAgain && (
              <Tooltip title={t('chat.regenerate')}>
                <Button type="text" size="small" icon={<RedoOutlined />} aria-label={t('chat.regenerate')} onClick={onAgain} />
              </Tooltip>
            )}
            {state === 'done' && <Facts turn={turn} />}
            {byModel && turn.smallModel && <SmallModelTag />}
          </div>
        )}
      </div>
    </article>
  );
});
