// Whom a question goes to: a knowledge base, or none, and a model.
import { useMemo } from 'react';
import { useSearchParams } from 'react-router';
import { setPreferences, usePreferences } from '@/app/preferences';
import { useBases } from '@/api/knowledge';
import { chatModels, useServerStatus } from '@/api/server';
import type { ModelStatus, VectorStore } from '@/api/types';
import { useConversationStore } from './context';
import type { Conversation } from './conversation';
import type { Target } from './store';

export interface TargetChoice {
  value: Target;
  /** False until bases and models are known; asking before that would go to the wrong place. */
  loaded: boolean;
  base: VectorStore | undefined;
  bases: VectorStore[];
  model: ModelStatus | undefined;
  models: ModelStatus[];
  setBase: (id: string | null) => void;
  setModel: (id: string) => void;
}

/** The base that every installation starts with; a newcomer's first question goes there. */
export const isSampleBase = (base: VectorStore): boolean => base.name?.startsWith('Atrium guide') ?? false;

/**
 * In this order: what the address says, what this conversation used last, what this browser used last, the sample base;
 * each only if it still exists.
 */
export function useTarget(conversation: Conversation | undefined): TargetChoice {
  const [parameters, setParameters] = useSearchParams();
  const preferences = usePreferences();
  const store = useConversationStore();
  const bases = useBases();
  const status = useServerStatus();

  const baseList = useMemo(() => bases.data ?? [], [bases.data]);
  const models = useMemo(() => chatModels(status.data), [status.data]);
  const exists = (id: string | null | undefined): id is string => baseList.some((base) => base.id === id);

  const asked = parameters.get('base');
  let baseId: string | null;
  if (exists(asked)) baseId = asked;
  else if (conversation) baseId = exists(conversation.base) ? conversation.base : null;
  else if (preferences.base === null) baseId = null;
  else if (exists(preferences.base)) baseId = preferences.base;
  else baseId = (baseList.find(isSampleBase) ?? baseList[0])?.id ?? null;

  const known = (id: string | null | undefined): ModelStatus | undefined => models.find((model) => model.id === id);
  const model =
    known(parameters.get('model')) ??
    known(conversation?.model) ??
    known(preferences.model) ??
    known(status.data?.default_chat_model) ??
    models[0];

  const value = useMemo(
    () => ({ base: baseId, model: model?.id ?? null, smallModel: model?.small_builtin ?? false }),
    [baseId, model],
  );
  const forget = (name: string): void =>
    setParameters(
      (old) => {
        old.delete(name);
        return old;
      },
      { replace: true },
    );
  return {
    value,
    loaded: (bases.isSuccess || bases.isError) && (status.isSuccess || status.isError),
    base: baseList.find((base) => base.id === baseId),
    bases: baseList,
    model,
    models,
    setBase: (id) => {
      setPreferences({ base: id });
      if (conversation) store.choose(conversation.id, { base: id });
      if (asked !== null) forget('base');
    },
    setModel: (id) => {
      setPreferences({ model: id });
      if (conversation) store.choose(conversation.id, { model: id });
      if (parameters.has('model')) forget('model');
    },
  };
}
