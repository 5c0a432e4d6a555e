// The map of the console: one line per page. Each page is a file of its own that is loaded when it is first opened.
import { type ComponentType, lazy, type ReactNode } from 'react';
import { ApiOutlined, DatabaseOutlined, KeyOutlined, MessageOutlined, SettingOutlined } from '@/components/icons';

export interface PageEntry {
  /** In the address and in the words of the navigation: nav.<name>. */
  name: 'chat' | 'knowledge' | 'models' | 'keys' | 'settings';
  /** Patterns below "/". */
  paths: string[];
  icon: ReactNode;
  /** Only an administrator's key may use it. */
  admin?: boolean;
  page: ComponentType;
}

export const PAGES: PageEntry[] = [
  { name: 'chat', paths: ['chat', 'chat/:conversationId'], icon: <MessageOutlined />, page: lazy(() => import('@/pages/chat')) },
  {
    name: 'knowledge',
    paths: ['knowledge', 'knowledge/:baseId'],
    icon: <DatabaseOutlined />,
    page: lazy(() => import('@/pages/knowledge')),
  },
  { name: 'models', paths: ['models'], icon: <ApiOutlined />, page: lazy(() => import('@/pages/models')) },
  { name: 'keys', paths: ['keys'], icon: <KeyOutlined />, admin: true, page: lazy(() => import('@/pages/keys')) },
  { name: 'settings', paths: ['settings'], icon: <SettingOutlined />, page: lazy(() => import('@/pages/settings')) },
];
