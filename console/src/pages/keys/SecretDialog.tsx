import { Alert, Modal } from 'antd';
import { useTranslation } from 'react-i18next';
import type { NewApiKey } from '@/api/types';
import { Command } from '@/components/CopyButton';

/** Shows a secret this once: it is in no cache, and gone when the dialog closes. */
export function SecretDialog({ created, onClose }: { created: NewApiKey | null; onClose: () => void }) {
  const { t } = useTranslation();
  const snippet = `from openai import OpenAI\n\nclient = OpenAI(\n    base_url="${location.origin}/v1",\n    api_key="${created?.secret ?? ''}",\n)`;
  return (
    <Modal
      open={created !== null}
      title={t('keys.secretTitle', { name: created?.name ?? '' })}
      okText={t('keys.secretDone')}
      footer={(_, { OkBtn }) => <OkBtn />}
      closable={false}
      mask={{ closable: false }}
      keyboard={false}
      onOk={onClose}
      width={560}
      centered
      destroyOnHidden
    >
      <div className="secret">
        <Alert type="warning" showIcon title={t('keys.secretText')} />
        <Command text={created?.secret ?? ''} />
        <h3>{t('keys.usage')}</h3>
        <Command text={snippet} />
      </div>
    </Modal>
  );
}
