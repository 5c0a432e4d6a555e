import { Button, Input, Select, Tooltip } from 'antd';
import type { TextAreaRef } from 'antd/es/input/TextArea';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ArrowUpOutlined, BookOutlined, RobotOutlined } from '@/components/icons';
import type { TargetChoice } from './target';

const NO_BASE = '';

function Choices({ target }: { target: TargetChoice }) {
  const { t } = useTranslation();
  const bases = [
    { value: NO_BASE, label: t('chat.noBase') },
    ...target.bases.map((base) => ({ value: base.id, label: base.name || t('common.noTitle') })),
  ];
  const models = target.models.map((model) => ({
    value: model.id,
    label: model.state === 'starting' ? `${model.id} (${t('chat.modelStarting')})` : model.id,
    disabled: model.state !== 'ready' && model.state !== 'starting',
  }));
  return (
    <>
      <Select
        className="composer-choice"
        variant="borderless"
        prefix={<BookOutlined />}
        aria-label={t('chat.base')}
        options={bases}
        value={target.loaded ? (target.value.base ?? NO_BASE) : undefined}
        loading={!target.loaded}
        onChange={(id) => target.setBase(id === NO_BASE ? null : id)}
        popupMatchSelectWidth={false}
        classNames={{ popup: { root: 'composer-popup' } }}
        placement="topLeft"
      />
      <Select
        className="composer-choice"
        variant="borderless"
        prefix={<RobotOutlined />}
        aria-label={t('chat.model')}
        options={models}
        value={target.value.model ?? undefined}
        placeholder={t('chat.noModel')}
        onChange={(id) => target.setModel(id)}
        popupMatchSelectWidth={false}
        classNames={{ popup: { root: 'composer-popup' } }}
        placement="topLeft"
      />
    </>
  );
}

interface Props {
  target: TargetChoice;
  running: boolean;
  onAsk: (question: string) => void;
  onStop: () => void;
}

export function Composer({ target, running, onAsk, onStop }: Props) {
  const { t } = useTranslation();
  const [text, setText] = useState('');
  const input = useRef<TextAreaRef>(null);
  // Opening the keyboard of a phone unasked hides half of the page.
  useEffect(() => {
    if (matchMedia('(hover: hover)').matches) input.current?.focus();
  }, []);

  // Evidence needs no model: a base can be asked without one.
  const canAsk = target.loaded && (target.value.base !== null || target.value.model !== null);
  const send = (): void => {
    const question = text.trim();
    if (question === '' || running || !canAsk) return;
    setText('');
    onAsk(question);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    // The Enter that ends an input method's composition belongs to the input method.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    send();
  };
  const { base, model } = target;
  const placeholder = base
    ? t('chat.placeholderBase', { name: base.name || t('common.noTitle') })
    : t('chat.placeholderPlain', { model: model?.id ?? '' });
  return (
    <div className="composer-dock">
      <div className="composer">
        <Input.TextArea
          ref={input}
          variant="borderless"
          autoSize={{ minRows: 1, maxRows: 8 }}
          value={text}
          maxLength={16_000}
          placeholder={placeholder}
          aria-label={t('chat.input')}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <div className="composer-bar">
          <Choices target={target} />
          {running ? (
            <Tooltip title={t('chat.stop')}>
              <Button className="composer-go" shape="circle" aria-label={t('chat.stop')} onClick={onStop} icon={<span className="stop-icon" />} />
            </Tooltip>
          ) : (
            <Tooltip title={t('chat.send')}>
              <Button
                className="composer-go"
                type="primary"
                shape="circle"
                aria-label={t('chat.send')}
                disabled={text.trim() === '' || !canAsk}
                onClick={send}
                icon={<ArrowUpOutlined />}
              />
            </Tooltip>
          )}
        </div>
      </div>
      <p className="composer-hint">{t(base ? 'chat.hintBase' : 'chat.hintPlain')}</p>
    </div>
  );
}
