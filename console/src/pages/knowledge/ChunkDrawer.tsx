import { Button, Drawer } from 'antd';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { useBaseFiles, useChunk, useChunks } from '@/api/knowledge';
import type { Chunk } from '@/api/types';
import { ErrorState, LoadingState } from '@/components/states';
import { Where } from '@/components/Where';

function ChunkCard({ chunk, current }: { chunk: Chunk; current: boolean }) {
  const { t } = useTranslation();
  const card = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (current) card.current?.scrollIntoView({ block: 'center' });
  }, [current]);
  return (
    <li ref={card} className={current ? 'chunk current' : 'chunk'}>
      <div className="chunk-head small muted">
        <span>#{chunk.ordinal + 1}</span>
        <Where page={chunk.page} headings={chunk.headings} />
        {chunk.tokens ? <span className="chunk-tokens">{t('files.tokens', { count: chunk.tokens })}</span> : null}
      </div>
      <p className="passage">{chunk.text}</p>
    </li>
  );
}

function Chunks({ base, fileId, chunkId }: { base: string; fileId: string; chunkId: string | null }) {
  const { t } = useTranslation();
  const chunks = useChunks(base, fileId);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = chunks;
  const rows = chunks.data?.pages.flatMap((page) => page.data) ?? [];
  const found = chunkId === null || rows.some((chunk) => chunk.id === chunkId);
  // A link to a passage far inside a document loads up to it.
  useEffect(() => {
    if (!found && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [found, hasNextPage, isFetchingNextPage, fetchNextPage]);

  if (chunks.error) return <ErrorState error={chunks.error} retry={() => void chunks.refetch()} />;
  if (!chunks.data) return <LoadingState rows={8} />;
  if (rows.length === 0) return <p className="muted">{t('files.noChunks')}</p>;
  return (
    <>
      <ol className="chunks">
        {rows.map((chunk) => (
          <ChunkCard key={chunk.id} chunk={chunk} current={chunk.id === chunkId} />
        ))}
      </ol>
      {hasNextPage && (
        <Button className="more" loading={isFetchingNextPage} onClick={() => void fetchNextPage()}>
          {t('common.more')}
        </Button>
      )}
    </>
  );
}

/** The passages that a document was split into, in order; `chunkId` is scrolled to and set off. */
export function ChunkDrawer({ base, fileId, chunkId, onClose }: { base: string; fileId: string | null; chunkId: string | null; onClose: () => void }) {
  const { t } = useTranslation();
  const listed = useBaseFiles(base).data?.pages.flatMap((page) => page.data).find((file) => file.id === fileId);
  const chunk = useChunk(base, fileId !== null && !listed && chunkId ? chunkId : undefined).data;
  const name = listed?.filename ?? chunk?.filename ?? '';
  return (
    <Drawer
      open={fileId !== null}
      onClose={onClose}
      title={t('files.chunksOf', { name })}
      size={640}
      rootClassName="wide-drawer"
      destroyOnHidden
      closable={{ 'aria-label': t('common.close') }}
    >
      {fileId !== null && <Chunks base={base} fileId={fileId} chunkId={chunkId} />}
    </Drawer>
  );
}
