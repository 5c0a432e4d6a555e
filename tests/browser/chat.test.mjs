import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANSWER_MS, ask, choose, KEY, leave, shot, visit } from './browser.mjs';

async function plainChat(options) {
  const page = await visit({ key: KEY, ...options });
  await page.locator('.samples').waitFor();
  await choose(page, 'base', options?.language === 'zh' ? '不使用知识库' : 'No knowledge base');
  return page;
}

test('a stream grows, stops on demand, and can be asked for again', async () => {
  const page = await plainChat();
  await page.locator('.composer textarea').fill('Continue counting up to three hundred without stopping: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,');
  await page.keyboard.press('Enter');
  await page.locator('article.answer[data-state=streaming] .md').waitFor({ timeout: ANSWER_MS });
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  const answer = page.locator('article.answer[data-state=stopped]');
  await answer.waitFor();
  const text = await answer.locator('.md').innerText();
  await page.waitForTimeout(600);
  assert.equal(await answer.locator('.md').innerText(), text, 'nothing is added after the stop');
  await shot(page, 'stopped-en-light-1280');

  await page.getByRole('button', { name: 'Answer again' }).click();
  await page.locator('article.answer[data-state=streaming] .md').waitFor({ timeout: ANSWER_MS });
  assert.equal(await page.locator('article.answer').count(), 1, 'the new answer takes the place of the old');
  await shot(page, 'streaming-en-light-1280');
  await page.keyboard.press('Escape');
  await page.locator('article.answer[data-state=stopped]').waitFor();
  await leave(page);
});

test('an answer goes on while another page is open, and says what it cost', async () => {
  const page = await plainChat();
  await page.locator('.composer textarea').fill('Say hello in one short sentence.');
  await page.keyboard.press('Enter');
  await page.locator('article.answer').waitFor();
  await page.getByRole('link', { name: 'Models', exact: true }).click();
  await page.getByRole('heading', { name: 'Models', exact: true }).waitFor();
  await page.goBack();
  const answer = page.locator('article.answer[data-state=done]');
  await answer.waitFor({ timeout: ANSWER_MS });
  await answer.getByRole('button', { name: 'Copy' }).last().click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.ok(copied.trim().length > 0);
  assert.match(await answer.locator('.answer-model').getAttribute('aria-label'), /tokens/);
  await leave(page);
});

test('the small built-in model is named as such, with the way to a larger one', async () => {
  const page = await plainChat();
  await page.getByText('atrium pull qwen3-0.6b').waitFor();
  const answer = await ask(page, 'Say hello.');
  await answer.getByRole('button', { name: 'Small built-in model' }).click();
  await page.locator('.small-model-pop').getByText('atrium pull qwen3-0.6b').waitFor();
  await shot(page, 'small_model-en-light-1280');
  await leave(page);
});

test('hostile output of a model stays text', async () => {
  const page = await plainChat();
  const hostile =
    '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>\n\n![pixel](https://evil.example/p.png)\n\n' +
    '[here](javascript:window.hacked=1) [there](https://example.org/) <iframe src="https://evil.example"></iframe>\n\n' +
    '```html\n<b onclick=alert(1)>x</b>\n```\n';
  const seen = [];
  page.on('request', (request) => seen.push(request.url()));
  await page.route('**/v1/chat/completions', (route) =>
    route.fulfill({
      contentType: 'text/event-stream',
      body: `data: ${JSON.stringify({ choices: [{ delta: { content: hostile } }] })}\n\ndata: [DONE]\n\n`,
    }),
  );
  const answer = await ask(page, 'Be evil.');
  assert.equal(await answer.locator('.md img, .md script, .md iframe, .md b').count(), 0);
  const links = await answer.locator('.md a').evaluateAll((all) => all.map((a) => [a.href, a.rel, a.target]));
  assert.ok(links.length >= 2);
  for (const [href, rel, target] of links) {
    assert.match(href, /^https:/);
    assert.match(rel, /noopener/);
    assert.equal(target, '_blank');
  }
  await page.waitForTimeout(300);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.deepEqual(seen.filter((url) => url.includes('evil')), []);
  await leave(page);
});

test('a failure says what happened and can be tried again', async () => {
  const page = await plainChat();
  const error = { error: { message: 'The engine is being restarted; ask again in a few seconds.', type: 'server_error', param: null, code: 'unavailable' } };
  await page.route('**/v1/chat/completions', (route) =>
    route.fulfill({ status: 503, contentType: 'application/json', headers: { 'x-request-id': 'req_test' }, body: JSON.stringify(error) }),
  );
  await page.locator('.composer textarea').fill('Hello?');
  await page.keyboard.press('Enter');
  const answer = page.locator('article.answer[data-state=failed]');
  await answer.getByText('The engine is being restarted').waitFor();
  await answer.getByText('req_test').waitFor();
  await shot(page, 'failed-en-light-1280');
  await page.unroute('**/v1/chat/completions');
  await page.getByRole('button', { name: 'Answer again' }).click();
  await page.locator('article.answer[data-state=done]').waitFor({ timeout: ANSWER_MS });
  await leave(page);
});
