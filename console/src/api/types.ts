// Wire shapes of the routes that the console uses. Names are those of the JSON; OpenAI's objects keep their own.

export interface WhoAmI {
  project: { id: string; name: string };
  key: { id: string; name: string };
  admin: boolean;
}

export interface ModelStatus {
  id: string;
  task: string;
  state: string;
  reason?: string | null;
  small_builtin?: boolean;
}

export interface ServerStatus {
  version: string;
  uptime_seconds: number;
  models: ModelStatus[];
  default_chat_model?: string | null;
  default_embedding_model?: string | null;
}

export interface Page<T> {
  data: T[];
  has_more?: boolean;
  last_id?: string | null;
}

export interface VectorStore {
  id: string;
  name: string | null;
  created_at: number;
  usage_bytes: number;
  status: string;
  file_counts: { in_progress: number; completed: number; failed: number; cancelled: number; total: number };
}

export interface StoredFile {
  id: string;
  filename: string;
  bytes: number;
}

export type IngestStage = 'queued' | 'parsing' | 'chunking' | 'embedding' | 'indexed' | 'failed';

export interface KnowledgeFile {
  id: string;
  filename: string;
  bytes: number;
  created_at: number;
  status: 'in_progress' | 'completed' | 'failed' | 'cancelled';
  stage: IngestStage;
  progress: number;
  pages?: number | null;
  chunks?: number | null;
  language?: string | null;
  error?: { code: string; message: string } | null;
  warnings?: string[];
}

export interface Chunk {
  id: string;
  ordinal: number;
  text: string;
  headings: string[];
  page?: number | null;
  tokens?: number | null;
}

export interface ChunkInContext {
  id: string;
  file_id: string;
  filename: string;
  page?: number | null;
  headings: string[];
  text: string;
  ordinal: number;
  before?: { text: string } | null;
  after?: { text: string } | null;
}

export interface Passage {
  chunk_id: string;
  file_id: string;
  filename: string;
  page?: number | null;
  headings: string[];
  text: string;
  score: number;
}

export interface LegScore {
  rank: number;
  score: number;
}

export interface SearchHit extends Passage {
  dense?: LegScore | null;
  lexical?: LegScore | null;
}

export interface Citation {
  marker: number;
  chunk_id: string;
  file_id: string;
  filename: string;
  page?: number | null;
  headings: string[];
  /** A verbatim sentence of the passage. */
  quote: string;
  /** Offsets of the quote in the passage, in characters. */
  start: number;
  end: number;
}

export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

export type AnswerKind = 'generated' | 'evidence' | 'abstained';

export interface Answer {
  id: string;
  answer: string;
  kind: AnswerKind;
  model: string | null;
  small_model: boolean;
  citations: Citation[];
  retrieval: Passage[];
  usage?: Usage | null;
}

export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

export interface Project {
  id: string;
  name: string;
  created_at: number;
}

export interface ApiKey {
  id: string;
  name: string;
  redacted?: string;
  redacted_value?: string;
  admin: boolean;
  created_at: number;
}

export interface NewApiKey extends ApiKey {
  secret: string;
}
