import { useQueryClient } from '@tanstack/react-query';
import { App, Button, Progress, Tooltip } from 'antd';
import { useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { CloseOutlined, DeleteOutlined, EyeOutlined, RedoOutlined } from '@/components/icons';
import { useBaseFiles, useRemoveFile } from '@/api/knowledge';
import type { KnowledgeFile } from '@/api/types';
import { FileIcon } from '@/components/FileIcon';
import { useFormat } from '@/components/format';
import { EmptyState, ErrorState, LoadingState, useErrorText } from '@/components/states';
import { DropZone } from './DropZone';
import { useUploads, useUploadStore } from './upload_context';
import type { Upload } from './upload_store';

const TAGS: Record<KnowledgeFile['status'], string> = { in_progress: 'busy', completed: 'good', failed: 'bad', cancelled: '' };

function Bar({ part, label, failed = false }: { part: number; label: string; failed?: boolean }) {
  return (
    <Progress
      className="file-bar"
      percent={Math.round(part * 100)}
      showInfo={false}
      size="small"
      status={failed ? 'exception' : 'normal'}
      aria-label={label}
    />
  );
}

function UploadRow({ upload }: { upload: Upload }) {
  const { t } = useTranslation();
  const store = useUploadStore();
  const errorText = useErrorText();
  const format = useFormat();
  const failed = upload.state === 'failed';
  const reason = (error: unknown): string => {
    const own = error instanceof Error ? error.message : '';
    return own === 'empty' || own === 'folder' ? t(`upload.${own}`) : errorText(error);
  };
  return (
    <li className="file-row">
      <FileIcon name={upload.name} />
      <div className="file-main">
        <span className="file-name">{upload.name}</span>
        <span className="small muted">{format.bytes(upload.bytes)}</span>
        {failed ? <p className="file-error">{reason(upload.error)}</p> : <Bar part={upload.progress} label={upload.name} />}
      </div>
      <span className={failed ? 'tag bad' : 'tag busy'}>{t(`upload.${upload.state}`)}</span>
      <div className="file-actions">
        {failed && (
          <Tooltip title={t('common.retry')}>
            <Button type="text" icon={<RedoOutlined />} aria-label={t('common.retry')} onClick={() => store.retry(upload.id)} />
          </Tooltip>
        )}
        <Button
          type="text"
          icon={<CloseOutlined />}
          aria-label={t(failed ? 'upload.dismiss' : 'upload.cancel', { name: upload.name })}
          onClick={() => store.dismiss(upload.id)}
        />
      </div>
    </li>
  );
}

function Facts({ file }: { file: KnowledgeFile }) {
  const { t } = useTranslation();
  const format = useFormat();
  const language = file.language;
  const facts = [
    format.bytes(file.bytes),
    file.pages ? t('files.pages', { count: file.pages }) : null,
    file.chunks ? t('files.chunks', { count: file.chunks }) : null,
    language === 'zh' || language === 'en' || language === 'mixed' ? t(`files.language.${language}`) : language,
  ];
  return <span className="small muted">{facts.filter(Boolean).join(' · ')}</span>;
}

function FileRow({ base, file, onOpen }: { base: string; file: KnowledgeFile; onOpen: (file: string) => void }) {
  const { t } = useTranslation();
  const { modal, message } = App.useApp();
  const remove = useRemoveFile(base);
  const errorText = useErrorText();

  const ask = (): void => {
    modal.confirm({
      title: t('files.removeTitle', { name: file.filename }),
      content: t('files.removeText'),
      okText: t('common.remove'),
      okButtonProps: { danger: true },
      cancelText: t('common.cancel'),
      centered: true,
      onOk: async () => {
        try {
          await remove.mutateAsync(file.id);
          void message.success(t('files.removed', { name: file.filename }));
        } catch (error) {
          void message.error(errorText(error));
        }
      },
    });
  };
  const stage = file.status === 'cancelled' ? 'cancelled' : file.stage;
  const ready = file.status === 'completed';
  return (
    <li className="file-row" data-status={file.status}>
      <FileIcon name={file.filename} />
      <div className="file-main">
        {ready ? (
          <button type="button" className="bare file-name" onClick={() => onOpen(file.id)}>
            {file.filename}
          </button>
        ) : (
          <span className="file-name">{file.filename}</span>
        )}
        <Facts file={file} />
        {file.status === 'in_progress' && <Bar part={file.progress} label={file.filename} />}
        {file.error && <p className="file-error">{file.error.message}</p>}
        {file.warnings && file.warnings.length > 0 && (
          <details className="file-warnings small">
            <summary>{t('files.warnings')}</summary>
            <ul>
              {file.warnings.map((warning, index) => (
                <li key={index}>{warning}</li>
              ))}
            </ul>
          </details>
        )}
      </div>
      <span className={`tag ${TAGS[file.status]}`}>{t(`files.stage.${stage}`)}</span>
      <div className="file-actions">
        {ready && (
          <Tooltip title={t('files.preview', { name: file.filename })}>
            <Button type="text" icon={<EyeOutlined />} aria-label={t('files.preview', { name: file.filename })} onClick={() => onOpen(file.id)} />
          </Tooltip>
        )}
        <Tooltip title={t('files.remove', { name: file.filename })}>
          <Button type="text" icon={<DeleteOutlined />} aria-label={t('files.remove', { name: file.filename })} onClick={ask} />
        </Tooltip>
      </div>
    </li>
  );
}

export function FileList({ base, name, onOpen }: { base: string; name: string; onOpen: (file: string) => void }) {
  const { t } = useTranslation();
  const store = useUploadStore();
  const uploads = useUploads(base);
  const files = useBaseFiles(base);
  const rows = files.data?.pages.flatMap((page) => page.data) ?? [];
  // The counts in the heading change with the rows.
  const client = useQueryClient();
  const working = rows.filter((file) => file.status === 'in_progress').length;
  useEffect(() => void client.invalidateQueries({ queryKey: ['base', base], exact: true }), [client, base, working]);

  let content;
  if (files.error && rows.length === 0) content = <ErrorState error={files.error} retry={() => void files.refetch()} />;
  else if (!files.data) content = <LoadingState />;
  else if (rows.length === 0 && uploads.length === 0) content = <EmptyState title={t('files.empty')} text={t('files.emptyText')} />;
  else {
    content = (
      <ul className="card file-list" aria-live="polite" aria-relevant="additions">
        {uploads.map((upload) => (
          <UploadRow key={upload.id} upload={upload} />
        ))}
        {rows.map((file) => (
          <FileRow key={file.id} base={base} file={file} onOpen={onOpen} />
        ))}
      </ul>
    );
  }
  return (
    <>
      <DropZone name={name} onFiles={(list) => store.add(base, list)} />
      {content}
      {files.hasNextPage && (
        <Button className="more" loading={files.isFetchingNextPage} onClick={() => void files.fetchNextPage()}>
          {t('common.more')}
        </Button>
      )}
    </>
  );
}
