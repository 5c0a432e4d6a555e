import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { App as AntApp, ConfigProvider } from 'antd';
import type { Locale } from 'antd/es/locale';
import { lazy, Suspense, useEffect, useLayoutEffect, useState, useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';
import { BrowserRouter } from 'react-router';
import { ApiError } from '@/api/client';
import { showLanguage } from '@/i18n';
import { SignIn } from '@/pages/sign_in';
import { effectiveLanguage, useDark, usePreferences } from './preferences';
import { session } from './session';
import { antdTheme, applyPalette } from './theme';

const Shell = lazy(() => import('./Shell'));

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      // A refusal stays a refusal; a server that restarts is back soon.
      retry: (count, error) => count < 2 && (!(error instanceof ApiError) || error.status === 0 || error.status >= 502),
      retryDelay: (attempt) => 400 * 2 ** attempt,
    },
  },
});

/** The words inside Ant Design's own components. English is what it speaks by itself. */
function useAntdLocale(language: string): Locale | undefined {
  const [chinese, setChinese] = useState<Locale>();
  useEffect(() => {
    if (language === 'zh') void import('antd/locale/zh_CN').then((module) => setChinese(module.default));
  }, [language]);
  return language === 'zh' ? chinese : undefined;
}

export function App() {
  const { i18n } = useTranslation();
  const dark = useDark();
  const { language } = usePreferences();
  const { key } = useSyncExternalStore(session.subscribe, session.get);
  const locale = useAntdLocale(i18n.language);

  useLayoutEffect(() => applyPalette(dark), [dark]);
  useEffect(() => void showLanguage(effectiveLanguage(language)), [language]);
  // What one key was shown must not be seen by the next.
  useEffect(() => () => client.clear(), [key]);

  return (
    <ConfigProvider theme={antdTheme(dark)} locale={locale} button={{ autoInsertSpace: false }}>
      <AntApp className="app" message={{ maxCount: 3 }}>
        <QueryClientProvider client={client}>
          <BrowserRouter>
            <Suspense fallback={null}>{key === null ? <SignIn /> : <Shell key={key} />}</Suspense>
          </BrowserRouter>
        </QueryClientProvider>
      </AntApp>
    </ConfigProvider>
  );
}
