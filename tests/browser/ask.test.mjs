import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, assertAccessible, choose, KEY, leave, shot, visit } from './browser.mjs';

const SAMPLE = 'Atrium guide · 中庭指南';

for (const [language, theme, width, question] of [
  ['en', 'light', 1280, 'How many days of annual leave do employees get?'],
  ['zh', 'dark', 360, '员工每年有多少天年假？'],
]) {
  test(`the sample documents answer in ${language}, and the citation opens its passage`, async () => {
    const page = await visit({ language, theme, width, key: KEY });
    await page.locator('.samples').waitFor();
    assert.ok((await page.locator('.composer').innerText()).includes('Atrium'), 'the sample base is chosen from the start');
    await assertAccessible(page, 'the welcome');
    const answer = await ask(page, question);
    await shot(page, `answer-${language}-${theme}-${width}`);
    assert.match(await answer.innerText(), /\p{L}/u);

    const chip = answer.locator('.md button.cite').first();
    await chip.waitFor();
    await assertAccessible(page, 'an answer');
    await chip.click();
    const drawer = page.getByRole('dialog');
    const quote = drawer.locator('.cited mark');
    await quote.waitFor();
    assert.ok((await quote.innerText()).trim().length > 3, 'the quoted sentence is marked');
    assert.ok((await drawer.locator('.source-head strong').innerText()).length > 0, 'the file is named');
    await shot(page, `source-${language}-${theme}-${width}`);
    await page.keyboard.press('Escape');
    await drawer.waitFor({ state: 'hidden' });

    // The list below the answer opens the same, from the keyboard.
    await answer.locator('.sources .source').first().focus();
    await page.keyboard.press('Enter');
    await page.locator('.cited mark').waitFor();
    await leave(page);
  });
}

test('the document behind a source can be opened', async () => {
  const page = await visit({ key: KEY });
  await page.locator('.samples').waitFor();
  await choose(page, 'base', SAMPLE);
  const answer = await ask(page, 'How many days of annual leave do employees get?');
  await answer.locator('.md button.cite').first().click();
  await page.getByRole('link', { name: 'Open the document' }).click();
  await page.locator('.chunk.current').waitFor();
  assert.match(page.url(), /\/knowledge\/vs_[^?]+\?file=.+&chunk=/);
  await shot(page, 'document-en-light-1280');
  await leave(page);
});

test('conversations are kept, and can be deleted and brought back', async () => {
  const page = await visit({ key: KEY });
  await page.locator('.samples').waitFor();
  await ask(page, 'How many days of annual leave do employees get?');
  await page.reload();
  await page.locator('article.answer[data-state=done]').waitFor();
  const list = page.getByRole('region', { name: 'Conversations' });
  await list.getByRole('listitem').first().hover();
  await list.getByRole('button').first().click();
  await page.locator('.samples').waitFor();
  await page.getByRole('button', { name: 'Undo' }).click();
  await list.getByRole('link').first().click();
  await page.locator('article.answer[data-state=done]').waitFor();
  await leave(page);
});
