import { Button } from 'antd';
import { Component, type ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { EmptyState } from '@/components/states';

function Crash({ error }: { error: Error }) {
  const { t } = useTranslation();
  return (
    <EmptyState title={t('error.crash')} text={t('error.crashText')}>
      <code className="small muted">{error.message}</code>
      <Button onClick={() => location.reload()}>{t('error.reload')}</Button>
    </EmptyState>
  );
}

/** Keeps a defect of one page from taking the navigation with it. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: Error } {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override render(): ReactNode {
    return this.state.error ? <Crash error={this.state.error} /> : this.props.children;
  }
}
