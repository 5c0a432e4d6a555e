import { Alert, Input, type InputRef, Modal } from 'antd';
import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useErrorText } from './states';

interface Props {
  open: boolean;
  title: string;
  hint: string;
  busy: boolean;
  error: unknown;
  onSubmit: (name: string) => void;
  onClose: () => void;
  children?: ReactNode;
}

/** Asks for the name of something new. */
export function NameDialog({ open, title, hint, busy, error, onSubmit, onClose, children }: Props) {
  const { t } = useTranslation();
  const errorText = useErrorText();
  const id = useId();
  const input = useRef<InputRef>(null);
  const [name, setName] = useState('');
  const [missing, setMissing] = useState(false);
  useEffect(() => {
    if (open) {
      setName('');
      setMissing(false);
    }
  }, [open]);

  const submit = (): void => {
    const trimmed = name.trim();
    setMissing(trimmed === '');
    if (trimmed === '') input.current?.focus();
    else onSubmit(trimmed);
  };
  return (
    <Modal
      open={open}
      title={title}
      okText={t('common.create')}
      cancelText={t('common.cancel')}
      confirmLoading={busy}
      onOk={submit}
      onCancel={onClose}
      afterOpenChange={(shown) => shown && input.current?.focus()}
      width={460}
      destroyOnHidden
      centered
    >
      <div className="name-dialog">
        <label htmlFor={id}>{t('common.name')}</label>
        <Input
          id={id}
          ref={input}
          value={name}
          maxLength={120}
          status={missing ? 'error' : undefined}
          aria-describedby={`${id}-hint`}
          onChange={(event) => setName(event.target.value)}
          onPressEnter={submit}
        />
        <p id={`${id}-hint`} className="small muted" role={missing ? 'alert' : undefined}>
          {missing ? t('common.nameNeeded') : hint}
        </p>
        {children}
        {error !== null && error !== undefined && <Alert type="error" showIcon title={errorText(error)} role="alert" />}
      </div>
    </Modal>
  );
}
