// A real Chromium on a real Atrium: what the journeys share.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const URL_ = required('ATRIUM_URL').replace(/\/$/, '');
export const KEY = required('ATRIUM_API_KEY');
const SHOTS = fileURLToPath(new URL('../../build/screenshots/', import.meta.url));
/** A small model on two busy cores takes its time. */
export const ANSWER_MS = 180_000;

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`Set ${name}: see tests/browser/README.md`);
  return value;
}

function findChromium() {
  const candidates = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  const found = candidates.find((path) => path && existsSync(path));
  if (!found) throw new Error('No Chromium here: install it, or name it with CHROMIUM=/path');
  return found;
}

let browser;
before(async () => {
  mkdirSync(SHOTS, { recursive: true });
  browser = await chromium.launch({ executablePath: findChromium(), args: ['--no-sandbox'] });
});
after(() => browser?.close());

/** Opens the console as a new visitor; `context.problems` gathers what the browser complained about. */
export async function visit({ language = 'en', theme = 'light', width = 1280, path = '/', key } = {}) {
  const context = await browser.newContext({
    locale: language === 'zh' ? 'zh-CN' : 'en-GB',
    colorScheme: theme,
    viewport: { width, height: width < 500 ? 740 : 800 },
    hasTouch: width < 500,
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(String(error)));
  page.on('console', (message) => {
    // A refused request is reported by the browser, too; the journeys judge those by what is shown.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) page.problems.push(message.text());
  });
  if (key) {
    await context.addInitScript((value) => {
      if (!sessionStorage.getItem('visited')) sessionStorage.setItem('atrium.key', value);
      sessionStorage.setItem('visited', 'yes');
    }, key);
  }
  await page.goto(URL_ + path);
  return page;
}

/** Ends a visit; nothing may have gone wrong unseen. */
export async function leave(page) {
  const { problems } = page;
  await page.context().close();
  assert.deepEqual(problems, [], 'the browser console is clean');
}

export async function shot(page, name) {
  await page.waitForTimeout(400); // drawers slide, tooltips fade
  await page.screenshot({ path: `${SHOTS}${name}.png` });
}

/** Nothing may stick out to the right, whatever the width. */
export async function assertNoOverflow(page, where) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(over <= 0, `${where} is ${over} px too wide`);
}

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** The rules of WCAG 2.2 A and AA, as far as a program can check them. */
export async function assertAccessible(page, where) {
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const run = await globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] });
    return run.violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((n) => n.html.slice(0, 120)).join(' | ')}`);
  });
  assert.deepEqual(violations, [], `${where} is accessible`);
}

/** Types a question and waits for the whole answer. Returns its element. */
export async function ask(page, question) {
  const answers = page.locator('article.answer');
  const count = await answers.count();
  await page.locator('.composer textarea').fill(question);
  await page.keyboard.press('Enter');
  const answer = answers.nth(count);
  await answer.waitFor();
  await page.waitForFunction(
    (index) => document.querySelectorAll('article.answer')[index]?.dataset.state !== 'streaming',
    count,
    { timeout: ANSWER_MS },
  );
  assert.equal(await answer.getAttribute('data-state'), 'done', await answer.innerText());
  return answer;
}

/** A request to the API outside of the browser: to prepare, and to clean up. */
export async function api(method, path, body, key = KEY) {
  const response = await fetch(URL_ + path, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) },
    body: body && JSON.stringify(body),
  });
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${await response.clone().text()}`);
  return response.json();
}

/** Chooses in one of the two lists below the message: "base" or "model". */
export async function choose(page, which, option) {
  await page.locator('.composer-choice').nth(which === 'base' ? 0 : 1).click();
  await page.locator('.ant-select-dropdown:visible .ant-select-item-option', { hasText: option }).first().click();
}
