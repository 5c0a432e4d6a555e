import { useTranslation } from 'react-i18next';

/** Where a passage stands in its document: page and headings. */
export function Where({ page, headings }: { page?: number | null; headings: string[] }) {
  const { t } = useTranslation();
  const parts = [page ? t('common.page', { page }) : null, ...headings].filter(Boolean);
  if (parts.length === 0) return null;
  return <span className="where">{parts.join(' › ')}</span>;
}
