import { Button, Tooltip } from 'antd';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { CheckOutlined, CopyOutlined } from '@/components/icons';

/** The clipboard API exists on https and localhost only; a server reached by plain http needs the old way. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.style.position = 'fixed';
    area.style.opacity = '0';
    (document.querySelector('[role="dialog"]') ?? document.body).append(area); // a dialog keeps the focus inside itself
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    return copied;
  }
}

export function CopyButton({ text, label, block = false }: { text: string; label?: string; block?: boolean }) {
  const { t } = useTranslation();
  const [copied, setCopied] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);

  const copy = async (): Promise<void> => {
    if (!(await copyText(text))) return;
    setCopied(true);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setCopied(false), 1_600);
  };
  const words = copied ? t('common.copied') : (label ?? t('common.copy'));
  const icon = copied ? <CheckOutlined /> : <CopyOutlined />;
  if (block) {
    return (
      <Button icon={icon} onClick={copy} aria-live="polite">
        {words}
      </Button>
    );
  }
  return (
    <Tooltip title={words}>
      <Button type="text" size="small" icon={icon} onClick={copy} aria-label={words} aria-live="polite" />
    </Tooltip>
  );
}

/** A command or an id, ready to be copied. */
export function Command({ text }: { text: string }) {
  return (
    <div className={text.includes('\n') ? 'command block' : 'command'}>
      <code>{text}</code>
      <CopyButton text={text} />
    </div>
  );
}
