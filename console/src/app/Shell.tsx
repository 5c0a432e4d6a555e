import { useQueryClient } from '@tanstack/react-query';
import { Button, Drawer } from 'antd';
import { Suspense, useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Navigate, Route, Routes, useLocation } from 'react-router';
import { MenuOutlined } from '@/components/icons';
import { useWhoAmI } from '@/api/server';
import { Mark } from '@/components/Mark';
import { ErrorState, LoadingState, NoPermission, NotFound } from '@/components/states';
import { ConversationContext } from '@/pages/chat/context';
import { ConversationStore } from '@/pages/chat/store';
import { UploadContext } from '@/pages/knowledge/upload_context';
import { UploadStore } from '@/pages/knowledge/upload_store';
import { ErrorBoundary } from './ErrorBoundary';
import { PAGES, type PageEntry } from './pages';
import { Sidebar } from './Sidebar';
import './shell.css';

function PageFrame({ entry, admin }: { entry: PageEntry; admin: boolean }) {
  const { pathname } = useLocation();
  return (
    <ErrorBoundary key={pathname}>
      <Suspense fallback={<div className="page"><LoadingState /></div>}>
        {entry.admin && !admin ? <NoPermission /> : <entry.page />}
      </Suspense>
    </ErrorBoundary>
  );
}

/** Everything behind the sign-in: navigation beside the page, or above it on a narrow screen. */
export default function Shell() {
  const { t } = useTranslation();
  const who = useWhoAmI();
  const [menu, setMenu] = useState(false);
  const { pathname } = useLocation();
  useEffect(() => setMenu(false), [pathname]);

  const keyId = who.data?.key.id;
  const conversations = useMemo(() => (keyId ? new ConversationStore(keyId) : null), [keyId]);
  const client = useQueryClient();
  const uploads = useMemo(() => {
    const onAttached = (base: string): void => {
      void client.invalidateQueries({ queryKey: ['base', base] });
      void client.invalidateQueries({ queryKey: ['bases'] });
    };
    return keyId ? new UploadStore(onAttached) : null;
  }, [keyId, client]);
  useEffect(
    () => () => {
      conversations?.stopAll();
      uploads?.stopAll();
    },
    [conversations, uploads],
  );

  if (who.error) return <ErrorState error={who.error} retry={() => void who.refetch()} />;
  if (!who.data || !conversations || !uploads) return null;
  const admin = who.data.admin;
  const home = <Navigate to="/chat" replace />;

  return (
    <ConversationContext value={conversations}>
      <UploadContext value={uploads}>
        <a className="skip-link" href="#content">
          {t('nav.skip')}
        </a>
        <div className="shell">
          <aside className="shell-side">
            <Sidebar who={who.data} />
          </aside>
          <header className="shell-bar">
            <Button type="text" icon={<MenuOutlined />} aria-label={t('nav.menu')} onClick={() => setMenu(true)} />
            <Mark size={24} />
            <span className="wordmark">{t('app.name')}</span>
          </header>
          <Drawer
            open={menu}
            onClose={() => setMenu(false)}
            placement="left"
            size={288}
            title={null}
            closable={false}
            aria-label={t('nav.label')}
            classNames={{ body: 'shell-drawer' }}
          >
            <Sidebar who={who.data} onLeave={() => setMenu(false)} />
          </Drawer>
          <main id="content" className="shell-main" tabIndex={-1}>
            <Routes>
              <Route index element={home} />
              {PAGES.flatMap((entry) =>
                entry.paths.map((path) => (
                  <Route key={path} path={path} element={<PageFrame entry={entry} admin={admin} />} />
                )),
              )}
              <Route path="*" element={<NotFound />} />
            </Routes>
          </main>
        </div>
      </UploadContext>
    </ConversationContext>
  );
}
