import { useTranslation } from 'react-i18next';
import { Mark } from '@/components/Mark';
import { SmallModelNote } from './SmallModel';
import { isSampleBase, type TargetChoice } from './target';

/** The start of a conversation: what one is talking to, and questions to try. */
export function Welcome({ target, onAsk }: { target: TargetChoice; onAsk: (question: string) => void }) {
  const { t } = useTranslation();
  const { base, model } = target;
  const samples = t(base ? (isSampleBase(base) ? 'samples.guide' : 'samples.base') : 'samples.plain', { returnObjects: true });
  return (
    <div className="welcome">
      <Mark size={52} />
      <h2>{t('chat.greeting')}</h2>
      {target.loaded && (
        <>
          <p>{base ? t('chat.greetingBase', { name: base.name || t('common.noTitle') }) : t('chat.greetingPlain')}</p>
          <ul className="samples" aria-label={t('chat.samples')}>
            {samples.map((sample) => (
              <li key={sample}>
                <button type="button" className="bare" onClick={() => onAsk(sample)}>
                  {sample}
                </button>
              </li>
            ))}
          </ul>
          {model?.small_builtin && <SmallModelNote model={model.id} />}
        </>
      )}
    </div>
  );
}
