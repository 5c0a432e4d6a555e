import { Button, Drawer } from 'antd';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { LeftOutlined, RightOutlined } from '@/components/icons';
import { ApiError } from '@/api/client';
import { useChunk } from '@/api/knowledge';
import type { ChunkInContext, Citation } from '@/api/types';
import { FileIcon } from '@/components/FileIcon';
import { locateQuote } from '@/components/highlight';
import { Marked } from '@/components/Marked';
import { EmptyState, ErrorState, LoadingState } from '@/components/states';
import { Where } from '@/components/Where';

/** Which source is open: a citation by its marker, or a passage that was looked at. */
export interface OpenSource {
  base: string;
  citations: Citation[];
  marker?: number;
  chunkId?: string;
}

function Passage({ base, chunk, citation }: { base: string; chunk: ChunkInContext; citation: Citation | undefined }) {
  const { t } = useTranslation();
  const passage = useRef<HTMLParagraphElement>(null);
  const span = citation ? locateQuote(chunk.text, citation.quote, citation.start, citation.end) : null;
  useEffect(() => {
    (passage.current?.querySelector('mark') ?? passage.current)?.scrollIntoView({ block: 'center' });
  }, [chunk.id, citation?.marker]);
  return (
    <>
      <div className="source-head">
        <FileIcon name={chunk.filename} />
        <div>
          <strong>{chunk.filename}</strong>
          <Where page={chunk.page} headings={chunk.headings} />
        </div>
      </div>
      {citation && !span && <p className="answer-note">{t('source.quoteGone', { quote: citation.quote })}</p>}
      {chunk.before && (
        <p className="passage around" aria-label={t('source.before')}>
          {chunk.before.text}
        </p>
      )}
      <p ref={passage} className="passage cited" aria-label={t('source.passage')}>
        <Marked text={chunk.text} spans={span ? [span] : []} />
      </p>
      {chunk.after && (
        <p className="passage around" aria-label={t('source.after')}>
          {chunk.after.text}
        </p>
      )}
      <Link to={`/knowledge/${base}?file=${encodeURIComponent(chunk.file_id)}&chunk=${encodeURIComponent(chunk.id)}`}>
        {t('source.document')}
      </Link>
    </>
  );
}

interface Props {
  source: OpenSource | null;
  onChange: (source: OpenSource) => void;
  onClose: () => void;
}

/** The passage behind a citation, with the quoted sentence marked and its neighbours around it. */
export default function SourceDrawer({ source, onChange, onClose }: Props) {
  const { t } = useTranslation();
  const last = useRef(source); // what a closing drawer goes on showing
  if (source) last.current = source;
  const shown = source ?? last.current;

  const markers = [...new Set(shown?.citations.map((citation) => citation.marker))].sort((a, b) => a - b);
  const position = markers.indexOf(shown?.marker ?? -1);
  const citation = shown?.citations.find((candidate) => candidate.marker === shown.marker);
  const chunk = useChunk(shown?.base ?? '', citation?.chunk_id ?? shown?.chunkId);

  const go = (step: number) => {
    const marker = markers[position + step];
    return marker === undefined || !shown ? undefined : () => onChange({ ...shown, marker });
  };
  const [previous, next] = [go(-1), go(1)];

  let content;
  if (chunk.error instanceof ApiError && chunk.error.status === 404) {
    content = <EmptyState title={t('error.notFound')} text={t('source.gone')} />;
  } else if (chunk.error) content = <ErrorState error={chunk.error} retry={() => void chunk.refetch()} />;
  else if (!chunk.data || !shown) content = <LoadingState rows={8} />;
  else content = <Passage base={shown.base} chunk={chunk.data} citation={citation} />;
  return (
    <Drawer
      open={source !== null}
      onClose={onClose}
      title={citation ? t('source.title', { marker: citation.marker }) : t('source.passage')}
      size={560}
      rootClassName="wide-drawer"
      closable={{ 'aria-label': t('common.close') }}
      extra={
        markers.length > 1 && position >= 0 ? (
          <>
            <Button type="text" icon={<LeftOutlined />} aria-label={t('source.previous')} disabled={!previous} onClick={previous} />
            <Button type="text" icon={<RightOutlined />} aria-label={t('source.next')} disabled={!next} onClick={next} />
          </>
        ) : null
      }
    >
      <div className="source-view">{content}</div>
    </Drawer>
  );
}
