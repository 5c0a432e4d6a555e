import { App, Button, Checkbox } from 'antd';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { PlusOutlined } from '@/components/icons';
import { useCreateKey, useKeys, useRevokeKey } from '@/api/admin';
import { useWhoAmI } from '@/api/server';
import type { ApiKey, NewApiKey, Project } from '@/api/types';
import { session } from '@/app/session';
import { useFormat } from '@/components/format';
import { NameDialog } from '@/components/NameDialog';
import { EmptyState, ErrorState, LoadingState, useErrorText } from '@/components/states';
import { SecretDialog } from './SecretDialog';

function KeyRow({ project, apiKey }: { project: string; apiKey: ApiKey }) {
  const { t } = useTranslation();
  const { modal, message } = App.useApp();
  const format = useFormat();
  const errorText = useErrorText();
  const own = useWhoAmI().data?.key.id === apiKey.id;
  const revoke = useRevokeKey(project);

  const ask = (): void => {
    modal.confirm({
      title: t('keys.revokeTitle', { name: apiKey.name }),
      content: own ? `${t('keys.revokeText')} ${t('keys.revokeOwn')}` : t('keys.revokeText'),
      okText: t('keys.revoke'),
      okButtonProps: { danger: true },
      cancelText: t('common.cancel'),
      centered: true,
      onOk: async () => {
        try {
          await revoke.mutateAsync(apiKey.id);
          void message.success(t('keys.revoked', { name: apiKey.name }));
          if (own) session.signOut();
        } catch (error) {
          void message.error(errorText(error));
        }
      },
    });
  };
  return (
    <li className="key-row">
      <div className="key-main">
        <span className="key-name">
          {apiKey.name}
          {own && <span className="tag plain good">{t('keys.yours')}</span>}
          {apiKey.admin && <span className="tag plain clay">{t('keys.adminKey')}</span>}
        </span>
        <span className="small muted">
          <code>{apiKey.redacted ?? apiKey.redacted_value ?? apiKey.id}</code> · {t('keys.created')} {format.dateTime(apiKey.created_at)}
        </span>
      </div>
      <Button danger type="text" onClick={ask} aria-label={`${t('keys.revoke')}: ${apiKey.name}`}>
        {t('keys.revoke')}
      </Button>
    </li>
  );
}

export function KeyList({ project }: { project: Project }) {
  const { t } = useTranslation();
  const keys = useKeys(project.id);
  const create = useCreateKey(project.id);
  const [dialog, setDialog] = useState(false);
  const [admin, setAdmin] = useState(false);
  const [secret, setSecret] = useState<NewApiKey | null>(null);

  const open = (): void => {
    create.reset();
    setAdmin(false);
    setDialog(true);
  };
  const submit = (name: string): void =>
    create.mutate(
      { name, admin },
      {
        onSuccess: (key) => {
          setDialog(false);
          setSecret(key);
          create.reset(); // the secret stays in the dialog alone
        },
      },
    );

  let content;
  if (keys.error) content = <ErrorState error={keys.error} retry={() => void keys.refetch()} />;
  else if (!keys.data) content = <LoadingState />;
  else if (keys.data.length === 0) content = <EmptyState title={t('keys.noKeys')} text={t('keys.noKeysText')} />;
  else {
    content = (
      <ul>
        {keys.data.map((key) => (
          <KeyRow key={key.id} project={project.id} apiKey={key} />
        ))}
      </ul>
    );
  }
  return (
    <section className="card key-list" aria-labelledby="key-list-title">
      <header>
        <h2 id="key-list-title">{t('keys.keysOf', { name: project.name })}</h2>
        <Button type="primary" icon={<PlusOutlined />} onClick={open}>
          {t('keys.newKey')}
        </Button>
      </header>
      {content}
      <NameDialog
        open={dialog}
        title={t('keys.newKey')}
        hint={t('keys.keyHint')}
        busy={create.isPending}
        error={create.error}
        onSubmit={submit}
        onClose={() => setDialog(false)}
      >
        <Checkbox checked={admin} onChange={(event) => setAdmin(event.target.checked)}>
          {t('keys.adminKey')}
        </Checkbox>
        <p className="small muted key-admin-hint">{t('keys.adminHint')}</p>
      </NameDialog>
      <SecretDialog created={secret} onClose={() => setSecret(null)} />
    </section>
  );
}
