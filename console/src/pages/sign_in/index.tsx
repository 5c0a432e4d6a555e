import { Alert, Button, Input } from 'antd';
import { type FormEvent, useId, useState, useSyncExternalStore } from 'react';
import { Trans, useTranslation } from 'react-i18next';
import { LookSwitch } from '@/app/LookSwitch';
import { session } from '@/app/session';
import { ApiError } from '@/api/client';
import { fetchWhoAmI } from '@/api/server';
import { Mark } from '@/components/Mark';
import { useTitle } from '@/components/PageHead';
import { useErrorText } from '@/components/states';
import './sign_in.css';

export function SignIn() {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const id = useId();
  const { rejected } = useSyncExternalStore(session.subscribe, session.get);
  const [key, setKey] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  useTitle(t('signIn.submit'));

  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const trimmed = key.trim();
    // A header cannot carry anything else; what has other characters was not copied from a key.
    if (!/^[\x21-\x7e]+$/.test(trimmed)) {
      setProblem(t(trimmed === '' ? 'signIn.needed' : 'signIn.wrong'));
      return;
    }
    setBusy(true);
    setProblem(null);
    try {
      await fetchWhoAmI(trimmed);
      session.signIn(trimmed);
    } catch (error) {
      setProblem(error instanceof ApiError && error.status === 401 ? t('signIn.wrong') : errorText(error));
      setBusy(false);
    }
  };

  const shown = problem ?? (rejected ? t('signIn.rejected') : null);
  return (
    <div className="sign-in">
      <div className="sign-in-look">
        <LookSwitch />
      </div>
      <main>
        <Mark size={56} />
        <h1>{t('signIn.title')}</h1>
        <p className="sign-in-tagline">{t('app.tagline')}</p>
        <form className="card" onSubmit={submit} noValidate>
          <label htmlFor={id}>{t('signIn.key')}</label>
          <Input.Password
            id={id}
            size="large"
            autoFocus
            autoComplete="current-password"
            spellCheck={false}
            placeholder={t('signIn.placeholder')}
            value={key}
            status={problem ? 'error' : undefined}
            aria-describedby={`${id}-note`}
            aria-invalid={problem !== null}
            onChange={(event) => setKey(event.target.value)}
          />
          {shown && <Alert type="error" showIcon title={shown} role="alert" />}
          <Button type="primary" size="large" htmlType="submit" block loading={busy}>
            {t('signIn.submit')}
          </Button>
          <p id={`${id}-note`} className="small muted">
            {t('signIn.kept')}
          </p>
          <details>
            <summary>{t('signIn.where')}</summary>
            <ul>
              <li>{t('signIn.whereFirst')}</li>
              <li>
                <Trans i18nKey="signIn.whereFile" components={{ 1: <code /> }} />
              </li>
              <li>{t('signIn.whereAdmin')}</li>
            </ul>
          </details>
        </form>
      </main>
    </div>
  );
}
