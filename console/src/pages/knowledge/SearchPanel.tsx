import { Button, Input } from 'antd';
import { type FormEvent, useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { SearchOutlined } from '@/components/icons';
import { useSearch } from '@/api/knowledge';
import type { LegScore, SearchHit } from '@/api/types';
import { FileIcon } from '@/components/FileIcon';
import { queryTerms, termSpans } from '@/components/highlight';
import { Marked } from '@/components/Marked';
import { EmptyState, ErrorState, LoadingState } from '@/components/states';
import { Where } from '@/components/Where';

function Leg({ name, leg, best }: { name: string; leg: LegScore | null | undefined; best: number }) {
  const { t } = useTranslation();
  return (
    <div className={leg ? 'leg' : 'leg missed'}>
      <dt>{name}</dt>
      <dd>
        <span className="leg-bar" aria-hidden="true">
          <span style={{ width: leg && best > 0 ? `${Math.max(2, (leg.score / best) * 100)}%` : 0 }} />
        </span>
        {leg ? `${leg.score.toFixed(leg.score < 10 ? 3 : 1)} · ${t('search.rank', { rank: leg.rank })}` : t('search.notFound')}
      </dd>
    </div>
  );
}

interface Best {
  dense: number;
  lexical: number;
}

function Hit({ hit, terms, best, onOpen }: { hit: SearchHit; terms: string[]; best: Best; onOpen: () => void }) {
  const { t } = useTranslation();
  return (
    <li className="card hit">
      <div className="hit-head">
        <FileIcon name={hit.filename} />
        <div className="hit-source">
          <button type="button" className="bare hit-name" onClick={onOpen}>
            {hit.filename}
          </button>
          <Where page={hit.page} headings={hit.headings} />
        </div>
        <span className="tag plain good">
          {t('search.score')} {hit.score.toFixed(3)}
        </span>
      </div>
      <p className="passage clamp">
        <Marked text={hit.text} spans={termSpans(hit.text, terms)} />
      </p>
      <dl className="legs">
        <Leg name={t('search.dense')} leg={hit.dense} best={best.dense} />
        <Leg name={t('search.lexical')} leg={hit.lexical} best={best.lexical} />
      </dl>
    </li>
  );
}

interface Props {
  base: string;
  query: string;
  onQuery: (query: string) => void;
  onOpen: (file: string, chunk: string) => void;
}

/** What a question finds, and how well by each of the two searches. */
export function SearchPanel({ base, query, onQuery, onOpen }: Props) {
  const { t } = useTranslation();
  const [text, setText] = useState(query);
  useEffect(() => setText(query), [query]);
  const result = useSearch(base, query);
  const terms = useMemo(() => queryTerms(query), [query]);
  const hits = result.data ?? [];
  const best = {
    dense: Math.max(0, ...hits.map((hit) => hit.dense?.score ?? 0)),
    lexical: Math.max(0, ...hits.map((hit) => hit.lexical?.score ?? 0)),
  };

  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim() === query && query !== '') void result.refetch();
    else onQuery(text.trim());
  };

  let content;
  if (query === '') content = <EmptyState title={t('search.intro')} text={t('search.introText')} />;
  else if (result.error) content = <ErrorState error={result.error} retry={() => void result.refetch()} />;
  else if (!result.data) content = <LoadingState rows={6} />;
  else if (hits.length === 0) content = <EmptyState title={t('search.nothing')} text={t('search.nothingText', { query })} />;
  else {
    content = (
      <>
        <p className="small muted" role="status">
          {t('search.hits', { count: hits.length })}
        </p>
        <ol className="hits">
          {hits.map((hit) => (
            <Hit key={hit.chunk_id} hit={hit} terms={terms} best={best} onOpen={() => onOpen(hit.file_id, hit.chunk_id)} />
          ))}
        </ol>
      </>
    );
  }
  return (
    <>
      <form className="search-form" role="search" onSubmit={submit}>
        <Input
          size="large"
          prefix={<SearchOutlined />}
          aria-label={t('search.placeholder')}
          placeholder={t('search.placeholder')}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <Button type="primary" size="large" htmlType="submit" loading={result.isFetching}>
          {t('search.submit')}
        </Button>
      </form>
      {content}
    </>
  );
}
