import { App, Button, Segmented } from 'antd';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { type Language, setPreferences, type Theme, usePreferences } from '@/app/preferences';
import { session } from '@/app/session';
import { useServerStatus, useWhoAmI } from '@/api/server';
import { Command } from '@/components/CopyButton';
import { useFormat } from '@/components/format';
import { PageHead } from '@/components/PageHead';
import { useConversations, useConversationStore } from '@/pages/chat/context';
import './settings.css';

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="card settings-section">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Look() {
  const { t } = useTranslation();
  const { language, theme } = usePreferences();
  return (
    <Section title={t('settings.look')}>
      <div className="setting">
        <span id="setting-language">{t('settings.language')}</span>
        <Segmented<Language | 'auto'>
          aria-labelledby="setting-language"
          value={language ?? 'auto'}
          options={[
            { value: 'auto', label: t('settings.languageAuto') },
            { value: 'zh', label: '中文' },
            { value: 'en', label: 'English' },
          ]}
          onChange={(value) => setPreferences({ language: value === 'auto' ? null : value })}
        />
      </div>
      <div className="setting">
        <span id="setting-theme">{t('settings.theme')}</span>
        <Segmented<Theme>
          aria-labelledby="setting-theme"
          value={theme}
          options={(['system', 'light', 'dark'] as const).map((value) => ({ value, label: t(`settings.themes.${value}`) }))}
          onChange={(value) => setPreferences({ theme: value })}
        />
      </div>
    </Section>
  );
}

function Session() {
  const { t } = useTranslation();
  const who = useWhoAmI().data;
  return (
    <Section title={t('settings.session')}>
      <div className="setting">
        <p>
          {t('settings.sessionText', {
            project: who?.project.name ?? '',
            key: who?.key.name ?? '',
            admin: who?.admin ? t('settings.sessionAdmin') : '',
          })}
        </p>
        <Button onClick={() => session.signOut()}>{t('nav.signOut')}</Button>
      </div>
    </Section>
  );
}

function Conversations() {
  const { t } = useTranslation();
  const { modal } = App.useApp();
  const store = useConversationStore();
  const { length } = useConversations();
  const ask = (): void => {
    modal.confirm({
      title: t('settings.dataClearTitle'),
      content: t('settings.dataClearText'),
      okText: t('common.delete'),
      okButtonProps: { danger: true },
      cancelText: t('common.cancel'),
      centered: true,
      onOk: () => store.clear(),
    });
  };
  return (
    <Section title={t('settings.data')}>
      <div className="setting">
        <p>{t('settings.dataText', { count: length })}</p>
        <Button danger disabled={length === 0} onClick={ask}>
          {t('settings.dataClear')}
        </Button>
      </div>
    </Section>
  );
}

function About() {
  const { t } = useTranslation();
  const format = useFormat();
  const status = useServerStatus().data;
  return (
    <Section title={t('settings.about')}>
      <dl className="about">
        <dt>{t('settings.version')}</dt>
        <dd>{status ? `Atrium ${status.version}` : '…'}</dd>
        <dt>{t('settings.uptime')}</dt>
        <dd>{status ? format.span(status.uptime_seconds) : '…'}</dd>
        <dt>{t('settings.address')}</dt>
        <dd>
          <Command text={`${location.origin}/v1`} />
        </dd>
        <dt>{t('settings.api')}</dt>
        <dd>
          <a href="/atrium/openapi.json" target="_blank" rel="noopener noreferrer">
            {t('settings.apiText')}
          </a>
        </dd>
        <dt>{t('settings.licence')}</dt>
        <dd>Apache-2.0</dd>
      </dl>
    </Section>
  );
}

export default function SettingsPage() {
  const { t } = useTranslation();
  return (
    <div className="page settings">
      <PageHead title={t('settings.title')} />
      <Look />
      <Session />
      <Conversations />
      <About />
    </div>
  );
}
