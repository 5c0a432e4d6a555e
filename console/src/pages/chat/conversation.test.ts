import { describe, expect, it } from 'vitest';
import { type AnswerTurn, history, titleOf, type Turn } from './conversation';

const user = (id: string, text: string): Turn => ({ id, role: 'user', text });
const answer = (id: string, text: string): AnswerTurn => ({
  id, role: 'answer', text, state: 'done', base: null, model: null, smallModel: false, citations: [], looked: null,
});

describe('history', () => {
  it('ends with the question that is being answered', () => {
    const turns = [user('1', 'a'), answer('2', 'b'), user('3', 'c'), answer('4', '')];
    expect(history(turns, '4').map((m) => m.content)).toEqual(['a', 'b', 'c']);
  });

  it('leaves out questions without an answer', () => {
    const turns = [user('1', 'a'), answer('2', ''), user('3', 'c'), answer('4', '')];
    expect(history(turns, '4').map((m) => m.content)).toEqual(['c']);
  });

  it('drops the oldest turns and starts with a question', () => {
    const long = 'x'.repeat(7_000);
    const turns = [user('1', long), answer('2', long), user('3', long), answer('4', long), user('5', 'now'), answer('6', '')];
    const messages = history(turns, '6');
    expect(messages[0]?.role).toBe('user');
    expect(messages.at(-1)?.content).toBe('now');
    expect(messages.length).toBeLessThan(5);
  });

  it('always sends the question, however long', () => {
    expect(history([user('1', 'x'.repeat(50_000)), answer('2', '')], '2')).toHaveLength(1);
  });
});

describe('titleOf', () => {
  it('is one short line', () => {
    expect(titleOf('  a\n b ')).toBe('a b');
    expect([...titleOf('年'.repeat(100))]).toHaveLength(60);
  });
});
