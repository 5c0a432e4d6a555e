import { type ChangeEvent, useEffect, useId, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { CloudUploadOutlined } from '@/components/icons';

const ACCEPT = '.pdf,.docx,.html,.htm,.md,.markdown,.txt';

const hasFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') ?? false;

/** Takes files by choice, or dropped anywhere on the page while it is mounted. */
export function DropZone({ name, onFiles }: { name: string; onFiles: (files: File[]) => void }) {
  const { t } = useTranslation();
  const id = useId();
  const [over, setOver] = useState(false);
  const deliver = useRef(onFiles);
  useEffect(() => {
    deliver.current = onFiles;
  });

  useEffect(() => {
    let depth = 0; // enter and leave also fire for every element inside the page
    const enter = (event: DragEvent): void => {
      if (hasFiles(event)) setOver(++depth > 0);
    };
    const leave = (event: DragEvent): void => {
      if (hasFiles(event)) setOver(--depth > 0);
    };
    const allow = (event: DragEvent): void => {
      if (hasFiles(event)) event.preventDefault();
    };
    const drop = (event: DragEvent): void => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      deliver.current([...(event.dataTransfer?.files ?? [])]);
    };
    const handlers = { dragenter: enter, dragleave: leave, dragover: allow, drop } as const;
    for (const [type, handler] of Object.entries(handlers)) window.addEventListener(type as 'drop', handler);
    return () => {
      for (const [type, handler] of Object.entries(handlers)) window.removeEventListener(type as 'drop', handler);
    };
  }, []);

  const choose = (event: ChangeEvent<HTMLInputElement>): void => {
    onFiles([...(event.target.files ?? [])]);
    event.target.value = ''; // the same file may be chosen again
  };
  return (
    <div className={over ? 'drop-zone over' : 'drop-zone'}>
      <CloudUploadOutlined className="drop-icon" />
      {over ? (
        <p>{t('upload.dropNow', { name })}</p>
      ) : (
        <p>
          {t('upload.drop')}{' '}
          <label htmlFor={id} className="drop-choose">
            <input id={id} type="file" multiple accept={ACCEPT} onChange={choose} className="visually-hidden" />
            {t('upload.choose')}
          </label>
        </p>
      )}
      <p className="small muted">{t('upload.kinds')}</p>
    </div>
  );
}
