import { useTranslation } from 'react-i18next';
import { Where } from '@/components/Where';
import type { AnswerTurn } from './conversation';

interface Props {
  turn: AnswerTurn;
  onCitation: (turn: AnswerTurn, marker: number) => void;
  onPassage: (turn: AnswerTurn, chunkId: string) => void;
}

/** The sources of an answer, one line each; below them, folded, what else was looked at. */
export function Sources({ turn, onCitation, onPassage }: Props) {
  const { t } = useTranslation();
  const cited = new Set(turn.citations.map((citation) => citation.chunk_id));
  const others = (turn.looked ?? []).filter((passage) => !cited.has(passage.chunk_id));
  const markers = new Set<number>();
  const citations = turn.citations.filter(({ marker }) => !markers.has(marker) && markers.add(marker));
  if (citations.length === 0 && others.length === 0) return null;
  return (
    <section className="sources">
      {citations.length > 0 && (
        <>
          <h3>{t('chat.sources')}</h3>
          <ul>
            {citations.map((citation) => (
              <li key={citation.marker}>
                <button type="button" className="bare source" onClick={() => onCitation(turn, citation.marker)}>
                  <span className="cite" aria-hidden="true">
                    {citation.marker}
                  </span>
                  <span className="source-text">
                    <span className="source-name">{citation.filename}</span> <Where page={citation.page} headings={citation.headings} />
                    <span className="source-quote">{citation.quote}</span>
                  </span>
                </button>
              </li>
            ))}
          </ul>
        </>
      )}
      {others.length > 0 && (
        <details>
          <summary>
            {t('chat.looked')} ({others.length})
          </summary>
          <ul>
            {others.map((passage) => (
              <li key={passage.chunk_id}>
                <button type="button" className="bare source" onClick={() => onPassage(turn, passage.chunk_id)}>
                  <span className="source-text">
                    <span className="source-name">{passage.filename}</span> <Where page={passage.page} headings={passage.headings} />
                  </span>
                  <span className="source-score" aria-label={t('source.score', { score: passage.score.toFixed(2) })}>
                    {passage.score.toFixed(2)}
                  </span>
                </button>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}
