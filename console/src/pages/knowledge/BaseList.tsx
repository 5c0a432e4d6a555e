import { Button } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate } from 'react-router';
import { PlusOutlined } from '@/components/icons';
import { useBases, useCreateBase } from '@/api/knowledge';
import type { VectorStore } from '@/api/types';
import { useFormat } from '@/components/format';
import { NameDialog } from '@/components/NameDialog';
import { PageHead } from '@/components/PageHead';
import { EmptyState, ErrorState, LoadingState } from '@/components/states';

export function BaseCounts({ base }: { base: VectorStore }) {
  const { t } = useTranslation();
  const { in_progress: working, failed, total } = base.file_counts;
  return (
    <span className="base-counts">
      <span>{t('knowledge.documents', { count: total })}</span>
      {working > 0 && <span className="tag busy">{t('knowledge.working', { count: working })}</span>}
      {failed > 0 && <span className="tag bad">{t('knowledge.failedCount', { count: failed })}</span>}
    </span>
  );
}

function BaseCard({ base }: { base: VectorStore }) {
  const { t } = useTranslation();
  const format = useFormat();
  return (
    <li className="card base-card">
      <h2>
        <Link to={`/knowledge/${base.id}`}>{base.name || t('common.noTitle')}</Link>
      </h2>
      <BaseCounts base={base} />
      <span className="small muted">
        {t('knowledge.created', { date: format.date(base.created_at) })}
        {base.usage_bytes > 0 && ` · ${format.bytes(base.usage_bytes)}`}
      </span>
    </li>
  );
}

export function BaseList() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const bases = useBases();
  const create = useCreateBase();
  const [dialog, setDialog] = useState(false);

  const open = (): void => {
    create.reset();
    setDialog(true);
  };
  const submit = (name: string): void =>
    create.mutate(name, {
      onSuccess: (base) => {
        setDialog(false);
        void navigate(`/knowledge/${base.id}`);
      },
    });
  const button = (
    <Button type="primary" icon={<PlusOutlined />} onClick={open}>
      {t('knowledge.create')}
    </Button>
  );

  let content;
  if (bases.error) content = <ErrorState error={bases.error} retry={() => void bases.refetch()} />;
  else if (!bases.data) content = <LoadingState />;
  else if (bases.data.length === 0) {
    content = (
      <div className="card">
        <EmptyState title={t('knowledge.empty')} text={t('knowledge.emptyText')}>
          {button}
        </EmptyState>
      </div>
    );
  } else {
    content = (
      <ul className="base-grid">
        {bases.data.map((base) => (
          <BaseCard key={base.id} base={base} />
        ))}
      </ul>
    );
  }
  return (
    <>
      <PageHead title={t('knowledge.title')} text={t('knowledge.text')}>
        {bases.data?.length !== 0 && button}
      </PageHead>
      {content}
      <NameDialog
        open={dialog}
        title={t('knowledge.create')}
        hint={t('knowledge.createHint')}
        busy={create.isPending}
        error={create.error}
        onSubmit={submit}
        onClose={() => setDialog(false)}
      />
    </>
  );
}
