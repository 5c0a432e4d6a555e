import { Popover } from 'antd';
import { useTranslation } from 'react-i18next';
import { Command } from '@/components/CopyButton';

export const PULL_COMMAND = 'atrium pull qwen3-0.6b';

export function SmallModelNote({ model }: { model: string }) {
  const { t } = useTranslation();
  return (
    <div className="small-model-note small">
      <p>{t('chat.smallModelNotice', { model })}</p>
      <Command text={PULL_COMMAND} />
    </div>
  );
}

/** Marks an answer; explains itself when it is hovered, focused or tapped. */
export function SmallModelTag() {
  const { t } = useTranslation();
  const content = (
    <div className="small-model-pop">
      <p>{t('chat.smallModelText')}</p>
      <Command text={PULL_COMMAND} />
    </div>
  );
  return (
    <Popover content={content} trigger={['click']}>
      <button type="button" className="bare tag busy still">
        {t('chat.smallModel')}
      </button>
    </Popover>
  );
}
