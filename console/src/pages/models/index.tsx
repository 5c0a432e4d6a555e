import { useTranslation } from 'react-i18next';
import { Link } from 'react-router';
import { useServerStatus } from '@/api/server';
import type { ModelStatus } from '@/api/types';
import { Command } from '@/components/CopyButton';
import { PageHead } from '@/components/PageHead';
import { EmptyState, ErrorState, LoadingState } from '@/components/states';
import { PULL_COMMAND } from '@/pages/chat/SmallModel';
import './models.css';

const STATES = ['ready', 'starting', 'failed', 'stopped', 'missing', 'quarantined', 'unhealthy'] as const;
const TAGS: Record<string, string> = { ready: 'good', starting: 'busy' };

function StateTag({ state }: { state: string }) {
  const { t } = useTranslation();
  const known = STATES.find((candidate) => candidate === state);
  return <span className={`tag ${TAGS[state] ?? 'bad'}`}>{known ? t(`models.state.${known}`) : state}</span>;
}

function ModelCard({ model, isDefault }: { model: ModelStatus; isDefault: boolean }) {
  const { t } = useTranslation();
  const task = model.task === 'chat' || model.task === 'embedding' ? t(`models.task.${model.task}`) : model.task;
  return (
    <li className="card model">
      <div className="model-head">
        <h2>{model.id}</h2>
        <StateTag state={model.state} />
      </div>
      <div className="model-tags">
        <span className="tag plain">{task}</span>
        {isDefault && <span className="tag plain">{t('models.default')}</span>}
        {model.small_builtin && <span className="tag plain clay">{t('models.small')}</span>}
      </div>
      {model.reason && model.state !== 'ready' && <p className="model-reason">{model.reason}</p>}
      {model.small_builtin && model.task === 'chat' && <p className="small muted">{t('models.smallText')}</p>}
      {model.task === 'chat' && model.state === 'ready' && (
        <Link to={`/chat?model=${encodeURIComponent(model.id)}`}>{t('models.tryIt')}</Link>
      )}
    </li>
  );
}

export default function ModelsPage() {
  const { t } = useTranslation();
  const status = useServerStatus();
  const { data } = status;
  const defaults = [data?.default_chat_model, data?.default_embedding_model];

  let content;
  if (status.error && !data) content = <ErrorState error={status.error} retry={() => void status.refetch()} />;
  else if (!data) content = <LoadingState />;
  else if (data.models.length === 0) content = <EmptyState title={t('models.empty')} text={t('models.emptyText')} />;
  else {
    content = (
      <ul className="models">
        {data.models.map((model) => (
          <ModelCard key={model.id} model={model} isDefault={defaults.includes(model.id)} />
        ))}
      </ul>
    );
  }
  return (
    <div className="page">
      <PageHead title={t('models.title')} text={t('models.text')} />
      {content}
      <section className="card pull">
        <h2>{t('models.pull')}</h2>
        <p className="muted">{t('models.pullText')}</p>
        <Command text={PULL_COMMAND} />
      </section>
    </div>
  );
}
