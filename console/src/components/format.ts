// Numbers and times as a reader of either language expects them.
import { useTranslation } from 'react-i18next';

export function useFormat() {
  const { t, i18n } = useTranslation();
  const locale = i18n.language === 'zh' ? 'zh-CN' : 'en-GB';
  return {
    /** 1.2 MB, with powers of 1000 as file managers show them. */
    bytes(count: number): string {
      const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];
      const power = count < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(count) / 3));
      const value = count / 1000 ** power;
      return new Intl.NumberFormat(locale, {
        style: 'unit',
        unit: units[power],
        unitDisplay: power === 0 ? 'long' : 'short',
        maximumFractionDigits: value < 10 && power > 0 ? 1 : 0,
      }).format(value);
    },
    number: (value: number): string => new Intl.NumberFormat(locale).format(value),
    date: (unixSeconds: number): string =>
      new Intl.DateTimeFormat(locale, { dateStyle: 'medium' }).format(new Date(unixSeconds * 1000)),
    dateTime: (unixSeconds: number): string =>
      new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(unixSeconds * 1000)),
    /** How long an answer took: 340 ms, 2.4 s. */
    elapsed: (ms: number): string =>
      ms < 1000
        ? t('time.milliseconds', { value: Math.round(ms) })
        : t('time.seconds', { value: (ms / 1000).toFixed(ms < 10_000 ? 1 : 0) }),
    /** How long a server has been running, in its largest unit. */
    span(seconds: number): string {
      if (seconds < 60) return t('time.seconds', { value: Math.floor(seconds) });
      if (seconds < 3_600) return t('time.minutes', { count: Math.floor(seconds / 60) });
      if (seconds < 86_400) return t('time.hours', { count: Math.floor(seconds / 3_600) });
      return t('time.days', { count: Math.floor(seconds / 86_400) });
    },
  };
}
