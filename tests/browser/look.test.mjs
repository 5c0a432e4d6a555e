import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertAccessible, assertNoOverflow, KEY, leave, shot, visit } from './browser.mjs';

test('language and theme switch at once, and stay', async () => {
  const page = await visit({ key: KEY, path: '/settings' });
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  await page.getByRole('heading', { name: 'Settings' }).waitFor();
  assert.equal(await theme(), 'light');
  await page.getByText('中文', { exact: true }).click();
  await page.getByRole('heading', { name: '设置' }).waitFor();
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'zh-CN');
  await page.getByRole('main').getByText('深色', { exact: true }).click();
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
  await page.reload();
  await page.getByRole('heading', { name: '设置' }).waitFor();
  assert.equal(await theme(), 'dark');

  await page.getByRole('button', { name: 'switch to English' }).click();
  await page.getByRole('heading', { name: 'Settings' }).waitFor();
  await page.getByRole('main').getByText('System', { exact: true }).click();
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark');
  await leave(page);
});

test('everything is reached from the keyboard', async () => {
  const page = await visit({ key: KEY });
  await page.locator('.samples').waitFor();
  await page.evaluate(() => {
    document.body.tabIndex = -1; // from the very start of the page
    document.body.focus();
  });
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.className), 'skip-link');
  const reached = new Set();
  for (let i = 0; i < 30; i++) {
    await page.keyboard.press('Tab');
    reached.add(await page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent?.trim() ?? ''));
  }
  for (const name of ['New chat', 'Knowledge', 'Settings', 'Sign out', 'Your message', 'Knowledge base', 'Model']) {
    assert.ok(reached.has(name), `Tab reaches “${name}”; it reached ${[...reached].join(', ')}`);
  }
  await leave(page);
});

const PAGES = { chat: '.samples', knowledge: '.base-grid', models: '.model', keys: '.key-row', settings: '.about', nowhere: '.state' };

for (const language of ['en', 'zh']) {
  for (const theme of ['light', 'dark']) {
    for (const width of [1280, 360]) {
      test(`every page in ${language}, ${theme}, ${width} px`, async () => {
        const page = await visit({ key: KEY, language, theme, width, path: '/chat' });
        for (const [name, ready] of Object.entries(PAGES)) {
          if (name !== 'chat') await page.goto(new URL(`/${name}`, page.url()).href);
          await page.locator(ready).first().waitFor();
          await shot(page, `page-${name}-${language}-${theme}-${width}`);
          await assertNoOverflow(page, name);
          await assertAccessible(page, name);
        }
        if (width < 500) {
          await page.locator('.shell-bar button').click();
          await page.getByRole('dialog').getByRole('navigation').waitFor();
          await shot(page, `menu-${language}-${theme}-${width}`);
          await assertAccessible(page, 'the menu');
        }
        await leave(page);
      });
    }
  }
}
