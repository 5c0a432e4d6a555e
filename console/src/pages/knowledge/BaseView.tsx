import { App, Button, Tabs } from 'antd';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { ArrowLeftOutlined, DeleteOutlined, MessageOutlined } from '@/components/icons';
import { ApiError } from '@/api/client';
import { useBase, useDeleteBase } from '@/api/knowledge';
import type { VectorStore } from '@/api/types';
import { Command } from '@/components/CopyButton';
import { PageHead } from '@/components/PageHead';
import { ErrorState, LoadingState, NotFound, useErrorText } from '@/components/states';
import { BaseCounts } from './BaseList';
import { ChunkDrawer } from './ChunkDrawer';
import { FileList } from './FileList';
import { SearchPanel } from './SearchPanel';

function DeleteButton({ base }: { base: VectorStore }) {
  const { t } = useTranslation();
  const { modal, message } = App.useApp();
  const navigate = useNavigate();
  const remove = useDeleteBase();
  const errorText = useErrorText();
  const name = base.name || t('common.noTitle');

  const ask = (): void => {
    modal.confirm({
      title: t('knowledge.deleteTitle', { name }),
      content: t('knowledge.deleteText'),
      okText: t('common.delete'),
      okButtonProps: { danger: true },
      cancelText: t('common.cancel'),
      centered: true,
      onOk: async () => {
        try {
          await remove.mutateAsync(base.id);
          void message.success(t('knowledge.deleted', { name }));
          void navigate('/knowledge');
        } catch (error) {
          void message.error(errorText(error));
        }
      },
    });
  };
  return (
    <Button type="text" icon={<DeleteOutlined />} danger onClick={ask}>
      {t('common.delete')}
    </Button>
  );
}

/** One base. In the address: ?view=search&q=… and ?file=… for the passages of a document. */
export function BaseView({ id }: { id: string }) {
  const { t } = useTranslation();
  const base = useBase(id);
  const [parameters, setParameters] = useSearchParams();
  const view = parameters.get('view') === 'search' ? 'search' : 'files';

  const change = (values: Record<string, string | null>): void =>
    setParameters(
      (old) => {
        for (const [name, value] of Object.entries(values)) value === null ? old.delete(name) : old.set(name, value);
        return old;
      },
      { replace: true },
    );

  if (base.error instanceof ApiError && base.error.status === 404) return <NotFound />;
  if (base.error) return <ErrorState error={base.error} retry={() => void base.refetch()} />;
  if (!base.data) return <LoadingState rows={6} />;
  const name = base.data.name || t('common.noTitle');
  return (
    <>
      <Link to="/knowledge" className="back-link">
        <ArrowLeftOutlined /> {t('knowledge.back')}
      </Link>
      <PageHead title={name} text={<BaseCounts base={base.data} />}>
        <Link to={`/chat?base=${encodeURIComponent(id)}`} className="button-link">
          <MessageOutlined /> {t('knowledge.ask')}
        </Link>
        <DeleteButton base={base.data} />
      </PageHead>
      <Tabs
        activeKey={view}
        onChange={(key) => change({ view: key === 'search' ? key : null })}
        items={[
          { key: 'files', label: t('knowledge.files'), children: <FileList base={id} name={name} onOpen={(file) => change({ file })} /> },
          {
            key: 'search',
            label: t('knowledge.search'),
            children: (
              <SearchPanel
                base={id}
                query={parameters.get('q') ?? ''}
                onQuery={(q) => change({ q: q || null })}
                onOpen={(file, chunk) => change({ file, chunk })}
              />
            ),
          },
        ]}
      />
      <section className="base-use small">
        <p className="muted">{t('knowledge.useText')}</p>
        <Command text={id} />
      </section>
      <ChunkDrawer
        base={id}
        fileId={parameters.get('file')}
        chunkId={parameters.get('chunk')}
        onClose={() => change({ file: null, chunk: null })}
      />
    </>
  );
}
