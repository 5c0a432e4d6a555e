import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAccessible, KEY, leave, shot, visit } from './browser.mjs';

test('a newcomer is told where the key is, and gets in with it', async () => {
  const page = await visit();
  await page.getByText('Where do I find my key?').click();
  await page.getByText('admin.key').waitFor();
  await assertAccessible(page, 'the sign-in');
  await shot(page, 'sign_in-en');

  await page.getByLabel('API key', { exact: true }).fill('sk-atrium-of-somebody-else');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').getByText('does not know this key').waitFor();
  await shot(page, 'sign_in-wrong-en');

  await page.getByLabel('API key', { exact: true }).fill(`  ${KEY}\n`);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'What would you like to know?' }).waitFor();

  await page.reload();
  await page.getByRole('heading', { name: 'What would you like to know?' }).waitFor();
  assert.equal(await page.evaluate(() => JSON.stringify({ ...localStorage }).includes('sk-')), false, 'no key in localStorage');

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Sign in' }).waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.getItem('atrium.key')), null);
  await leave(page);
});

test('the sign-in speaks Chinese to a Chinese browser', async () => {
  const page = await visit({ language: 'zh', theme: 'dark', width: 360 });
  await page.getByRole('heading', { name: '欢迎使用中庭' }).waitFor();
  await shot(page, 'sign_in-zh-dark-phone');
  await leave(page);
});

test('an address inside the console survives the sign-in', async () => {
  const page = await visit({ path: '/models' });
  await page.getByLabel('API key', { exact: true }).fill(KEY);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Models', exact: true }).waitFor();
  await leave(page);
});
