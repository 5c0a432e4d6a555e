import { App, Button, Tooltip } from 'antd';
import { useTranslation } from 'react-i18next';
import { Link, NavLink, useMatch, useNavigate } from 'react-router';
import { DeleteOutlined, LogoutOutlined, PlusOutlined } from '@/components/icons';
import type { WhoAmI } from '@/api/types';
import { Mark } from '@/components/Mark';
import { useConversations, useConversationStore } from '@/pages/chat/context';
import type { Conversation } from '@/pages/chat/conversation';
import { PAGES } from './pages';
import { LookSwitch } from './LookSwitch';
import { session } from './session';

function ConversationList() {
  const { t } = useTranslation();
  const { message } = App.useApp();
  const conversations = useConversations();
  const store = useConversationStore();
  const navigate = useNavigate();
  const open = useMatch('/chat/:conversationId')?.params.conversationId;

  const remove = (conversation: Conversation): void => {
    store.remove(conversation.id);
    if (conversation.id === open) void navigate('/chat');
    const key = `deleted-${conversation.id}`;
    const undo = (): void => {
      store.restore(conversation);
      message.destroy(key);
    };
    const action = (
      <>
        {t('chat.deleted')}
        <Button type="link" size="small" onClick={undo}>
          {t('chat.undo')}
        </Button>
      </>
    );
    void message.success({ key, duration: 6, content: action });
  };

  if (conversations.length === 0) return null;
  return (
    <section className="side-list" aria-labelledby="side-conversations">
      <h2 id="side-conversations">{t('nav.conversations')}</h2>
      <ul>
        {conversations.map((conversation) => (
          <li key={conversation.id}>
            <NavLink to={`/chat/${conversation.id}`} title={conversation.title}>
              {conversation.title}
            </NavLink>
            <button
              type="button"
              className="bare side-delete"
              aria-label={t('chat.deleteConversation', { title: conversation.title })}
              onClick={() => remove(conversation)}
            >
              <DeleteOutlined />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** `onLeave` is called when a click opens the page that is open already, which the router does not notice. */
export function Sidebar({ who, onLeave }: { who: WhoAmI; onLeave?: () => void }) {
  const { t } = useTranslation();
  return (
    <div className="side">
      <Link to="/chat" className="side-brand" onClick={onLeave}>
        <Mark size={30} />
        <span className="wordmark">{t('app.name')}</span>
      </Link>
      <Link to="/chat" className="side-new" onClick={onLeave}>
        <PlusOutlined /> {t('nav.newChat')}
      </Link>
      <nav aria-label={t('nav.label')} className="side-nav">
        {PAGES.filter((entry) => !entry.admin || who.admin).map((entry) => (
          <NavLink key={entry.name} to={`/${entry.name}`} onClick={onLeave}>
            {entry.icon}
            {t(`nav.${entry.name}`)}
          </NavLink>
        ))}
      </nav>
      <ConversationList />
      <div className="side-foot">
        <div className="side-who">
          <strong title={t('nav.project', { name: who.project.name })}>{who.project.name}</strong>
          <span title={t('nav.key', { name: who.key.name })}>{who.key.name}</span>
        </div>
        <LookSwitch />
        <Tooltip title={t('nav.signOut')}>
          <Button type="text" icon={<LogoutOutlined />} aria-label={t('nav.signOut')} onClick={() => session.signOut()} />
        </Tooltip>
      </div>
    </div>
  );
}
