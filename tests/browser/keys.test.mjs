import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAccessible, KEY, leave, shot, visit } from './browser.mjs';

test('a key is created, shown once, used and revoked', async () => {
  const page = await visit({ key: KEY, path: '/keys' });
  const project = `Browser ${Date.now()}`;
  await page.getByRole('button', { name: 'New project' }).click();
  await page.getByLabel('Name').fill(project);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: `Keys of ${project}` }).waitFor();
  await page.getByText('No keys yet').waitFor();
  await assertAccessible(page, 'the keys');

  await page.getByRole('button', { name: 'New key' }).click();
  await page.getByLabel('Name').fill('journey');
  await page.keyboard.press('Enter');
  const dialog = page.getByRole('dialog', { name: /journey/ });
  await dialog.waitFor();
  const secret = (await dialog.locator('.command code').first().innerText()).trim();
  assert.ok(secret.length > 20);
  await shot(page, 'new_key-en-light-1280');
  await dialog.getByRole('button', { name: 'I have copied it' }).click();
  await dialog.waitFor({ state: 'hidden' });
  assert.equal((await page.content()).includes(secret), false, 'the secret is shown once');
  await shot(page, 'keys-en-light-1280');

  const guest = await visit({ key: secret });
  await guest.locator('.welcome h2').waitFor();
  assert.equal(await guest.getByRole('link', { name: 'Projects and keys' }).count(), 0);
  await guest.goto(new URL('/keys', guest.url()).href);
  await guest.getByText('This page is for administrators').waitFor();
  await shot(guest, 'no_permission-en-light-1280');
  await guest.getByRole('link', { name: 'Knowledge' }).click();
  await guest.getByText('No knowledge base yet').waitFor();
  await shot(guest, 'knowledge-empty-en-light-1280');

  await page.getByRole('button', { name: 'Revoke: journey' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await page.getByText('No keys yet').waitFor();
  await guest.reload();
  await guest.getByText('Your key is no longer valid').waitFor();
  await leave(guest);
  await leave(page);
});
