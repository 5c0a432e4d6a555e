// What a view shows while it has nothing to show: loading, empty, failed, not allowed, not there.
import { Button, Skeleton } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { ApiError } from '@/api/client';
import { useWhoAmI } from '@/api/server';
import { Mark } from './Mark';

export function EmptyState({ title, text, children }: { title: string; text?: string; children?: ReactNode }) {
  return (
    <div className="state">
      <Mark size={44} />
      <h2>{title}</h2>
      {text && <p>{text}</p>}
      {children}
    </div>
  );
}

export function LoadingState({ rows = 4 }: { rows?: number }) {
  const { t } = useTranslation();
  return (
    <div className="state-loading" role="status" aria-label={t('common.loading')}>
      <Skeleton active title={false} paragraph={{ rows }} />
    </div>
  );
}

/** The server's words, or ours where it had none. */
export function useErrorText(): (error: unknown) => string {
  const { t } = useTranslation();
  return (error) => {
    if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error);
    if (error.code === 'network') return t('error.network');
    if (error.code === 'stream_cut') return t('error.stream_cut');
    return error.message || t('error.unknown', { status: error.status });
  };
}

export function ErrorState({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useTranslation();
  const text = useErrorText();
  const requestId = error instanceof ApiError ? error.requestId : null;
  return (
    <div className="state" role="alert">
      <Mark size={44} />
      <h2>{t('error.title')}</h2>
      <p>{text(error)}</p>
      {requestId && <span className="request-id">{t('error.requestId', { id: requestId })}</span>}
      {retry && <Button onClick={retry}>{t('common.retry')}</Button>}
    </div>
  );
}

export function NoPermission() {
  const { t } = useTranslation();
  const who = useWhoAmI().data;
  return (
    <EmptyState
      title={t('noPermission.title')}
      text={t('noPermission.text', { key: who?.key.name ?? '', project: who?.project.name ?? '' })}
    />
  );
}

export function NotFound() {
  const { t } = useTranslation();
  return (
    <EmptyState title={t('error.notFound')} text={t('error.notFoundText')}>
      <Link to="/chat">{t('error.home')}</Link>
    </EmptyState>
  );
}
