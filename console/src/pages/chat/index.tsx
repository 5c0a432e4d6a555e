import { Button } from 'antd';
import { lazy, Suspense, useCallback, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Link, useNavigate, useParams } from 'react-router';
import { useTitle } from '@/components/PageHead';
import { EmptyState } from '@/components/states';
import { Composer } from './Composer';
import { useConversations, useConversationStore } from './context';
import type { AnswerTurn } from './conversation';
import type { OpenSource } from './SourceDrawer';
import { useTarget } from './target';
import { Welcome } from './Welcome';
import './chat.css';

// Markdown and sources are not needed until there is an answer; they are fetched while the first question is typed.
const loadTranscript = () => import('./Transcript');
const loadDrawer = () => import('./SourceDrawer');
const Transcript = lazy(loadTranscript);
const SourceDrawer = lazy(loadDrawer);

/** One conversation, or the start of a new one. In the address: its id, and ?base= for what a new one asks. */
export default function ChatPage() {
  const { conversationId } = useParams();
  return <Chat key={conversationId ?? 'new'} id={conversationId ?? null} />;
}

function Chat({ id }: { id: string | null }) {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const store = useConversationStore();
  const conversation = useConversations().find((candidate) => candidate.id === id);
  const target = useTarget(conversation);
  const [source, setSource] = useState<OpenSource | null>(null);
  useEffect(() => void Promise.all([loadTranscript(), loadDrawer()]), []);
  useTitle(conversation?.title ?? t('chat.title'));

  const ask = (question: string): void => {
    const asked = store.ask(id, question, target.value);
    if (asked !== id) void navigate(`/chat/${asked}`);
  };
  const again = useCallback(() => id && store.again(id, target.value), [id, store, target.value]);
  const openCitation = useCallback(
    (turn: AnswerTurn, marker: number) => turn.base && setSource({ base: turn.base, citations: turn.citations, marker }),
    [],
  );
  const openPassage = useCallback(
    (turn: AnswerTurn, chunkId: string) => turn.base && setSource({ base: turn.base, citations: [], chunkId }),
    [],
  );
  // Esc stops an answer, wherever the focus is.
  const running = id !== null && store.isRunning(id);
  useEffect(() => {
    if (!running || id === null || source) return;
    const onKey = (event: KeyboardEvent): void => {
      if (event.key === 'Escape' && !event.defaultPrevented) store.stop(id);
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [running, id, store, source]);

  if (id !== null && !conversation) {
    return (
      <EmptyState title={t('chat.conversationGone')} text={t('chat.conversationGoneText')}>
        <Link to="/chat">
          <Button type="primary">{t('nav.newChat')}</Button>
        </Link>
      </EmptyState>
    );
  }
  return (
    <div className="chat">
      <h1 className="visually-hidden">{conversation?.title ?? t('chat.title')}</h1>
      {conversation ? (
        <Suspense fallback={<div className="transcript-frame" />}>
          <Transcript
            turns={conversation.turns}
            running={running}
            onAgain={again}
            onCitation={openCitation}
            onPassage={openPassage}
          />
        </Suspense>
      ) : (
        <Welcome target={target} onAsk={ask} />
      )}
      <Composer target={target} running={running} onAsk={ask} onStop={() => id && store.stop(id)} />
      <Suspense fallback={null}>
        {conversation && <SourceDrawer source={source} onChange={setSource} onClose={() => setSource(null)} />}
      </Suspense>
    </div>
  );
}
