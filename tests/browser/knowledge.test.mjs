import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ANSWER_MS, api, ask, assertAccessible, assertNoOverflow, KEY, leave, shot, visit } from './browser.mjs';

const file = (name, mimeType, text) => ({ name, mimeType, buffer: Buffer.from(text) });
const RULES = `# Rules of the lighthouse

## Visitors

The lighthouse of Kap Morgenrot is open to visitors on Tuesdays from nine to eleven in the morning. Groups of more than
twelve people announce themselves with the keeper two weeks ahead.

## Lamp

The lamp is lit forty minutes before sunset. Its spare bulbs are kept in the blue cabinet on the second floor.
`;
const REGULATIONS = '# 灯塔管理规定\n\n## 第三条\n\n灯塔的备用灯泡存放在二楼的蓝色柜子里，钥匙由看守人保管。\n\n## 第四条\n\n参观者每周二上午九点至十一点可以入内。\n';

test('a base is created, filled by drag and drop, searched, asked and deleted', async () => {
  const page = await visit({ key: KEY, path: '/knowledge' });
  const name = `Lighthouse ${Date.now()}`;
  await page.getByRole('button', { name: 'New knowledge base' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
  await page.getByText('Give it a name').waitFor();
  await page.getByLabel('Name').fill(name);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name }).waitFor();
  await page.getByText('No documents yet').waitFor();
  await shot(page, 'base-empty-en-light-1280');
  const id = page.url().split('/').pop();

  // Dropped on the page, not on the field.
  await page.evaluate((text) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([text], 'rules.md', { type: 'text/markdown' }));
    for (const type of ['dragenter', 'dragover', 'drop']) {
      document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
    }
  }, RULES);
  await page.locator('.drop-zone input').setInputFiles([
    file('灯塔管理规定.txt', 'text/plain', REGULATIONS),
    file('nothing.txt', 'text/plain', ''),
    file('torn-bad.pdf', 'application/pdf', '%PDF-1.7\n1 0 obj\n<< this is no document'),
  ]);
  const row = (filename) => page.getByRole('listitem').filter({ hasText: filename });
  await row('nothing.txt').getByText('The file is empty.').waitFor();
  await page.waitForTimeout(500);
  await shot(page, 'upload-en-light-1280');
  for (const filename of ['rules.md', '灯塔管理规定.txt']) {
    await row(filename).getByText('Ready', { exact: true }).waitFor({ timeout: ANSWER_MS });
  }
  await row('torn-bad.pdf').getByText('Failed', { exact: true }).waitFor({ timeout: ANSWER_MS });
  assert.ok((await row('torn-bad.pdf').locator('.file-error').innerText()).length > 10, 'a failure has a reason');
  await assertAccessible(page, 'the list of documents');
  await shot(page, 'documents-en-light-1280');

  await row('rules.md').getByRole('button', { name: 'rules.md', exact: true }).click();
  await page.getByRole('dialog').locator('.chunk').first().waitFor();
  assert.match(await page.getByRole('dialog').innerText(), /blue cabinet/);
  await shot(page, 'passages-en-light-1280');
  await page.keyboard.press('Escape');

  await page.getByRole('tab', { name: 'Search' }).click();
  await page.getByLabel('Search this base as a question would').fill('spare bulbs of the lamp');
  await page.keyboard.press('Enter');
  const hit = page.locator('.hit').first();
  await hit.waitFor();
  assert.match(await page.locator('.hits').innerText(), /spare bulbs/);
  assert.match(await hit.locator('.legs').innerText(), /Meaning[\s\S]*Words/);
  assert.match(page.url(), /view=search&q=/, 'a search can be linked');
  await assertAccessible(page, 'the search');
  await shot(page, 'search-en-light-1280');

  await page.getByRole('link', { name: 'Ask this base' }).click();
  await page.locator('.samples').waitFor();
  const answer = await ask(page, 'Where are the spare bulbs of the lamp kept?');
  await answer.locator('.md button.cite').first().click();
  await page.locator('.cited mark').waitFor();
  await shot(page, 'own-document-en-light-1280');

  await page.goto(`${new URL(page.url()).origin}/knowledge/${id}`);
  await row('torn-bad.pdf').getByRole('button', { name: 'Remove torn-bad.pdf' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
  await row('torn-bad.pdf').waitFor({ state: 'detached' });

  await page.getByRole('main').getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('heading', { name: 'Knowledge', exact: true }).waitFor();
  assert.equal(await page.getByRole('link', { name }).count(), 0);
  await leave(page);
});

test('the same on a phone, in Chinese', async () => {
  const base = await api('POST', '/v1/vector_stores', { name: '灯塔资料' });
  const page = await visit({ key: KEY, language: 'zh', theme: 'dark', width: 360, path: `/knowledge/${base.id}` });
  await page.locator('.drop-zone input').setInputFiles(file('灯塔管理规定.md', 'text/markdown', REGULATIONS));
  await page.getByText('就绪', { exact: true }).waitFor({ timeout: ANSWER_MS });
  await assertNoOverflow(page, 'the list of documents');
  await shot(page, 'documents-zh-dark-360');
  await page.getByRole('link', { name: '向它提问' }).click();
  await page.locator('.samples').waitFor();
  const answer = await ask(page, '备用灯泡放在哪里？');
  await answer.locator('.md button.cite').first().click();
  await page.locator('.cited mark').waitFor();
  await assertNoOverflow(page, 'a source');
  await shot(page, 'source-own-zh-dark-360');
  await leave(page);
  await api('DELETE', `/v1/vector_stores/${base.id}`);
});

test('a base that is gone is said to be gone', async () => {
  const page = await visit({ key: KEY, path: '/knowledge/vs_000000000000000000000000' });
  await page.getByText('There is nothing here').waitFor();
  await leave(page);
});
