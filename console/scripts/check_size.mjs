// Fails the build when the first load (the entry and everything it imports statically, the frame around all pages and
// the chat page, where people land) is over its budget. Prints the largest files so that a breach explains itself.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const BUDGET = 350 * 1024;
const dist = new URL('../dist/', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('.vite/manifest.json', dist), 'utf8'));

const files = new Set(['index.html']);
const seen = new Set();
function collect(key) {
  if (seen.has(key)) return;
  seen.add(key);
  const chunk = manifest[key];
  files.add(chunk.file);
  for (const css of chunk.css ?? []) files.add(css);
  for (const next of chunk.imports ?? []) collect(next);
}
for (const [key, chunk] of Object.entries(manifest)) {
  if (chunk.isEntry || /app\/Shell|pages\/chat\/index|i18n\/zh|antd\/.*zh_CN/.test(key)) collect(key);
}

const sizes = [...files].map((file) => [file, gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length]);
sizes.sort((a, b) => b[1] - a[1]);
const total = sizes.reduce((sum, [, size]) => sum + size, 0);
for (const [file, size] of sizes.slice(0, 6)) console.log(`${String(Math.round(size / 1024)).padStart(6)} KB  ${file}`);
console.log(`first load: ${Math.round(total / 1024)} KB gzip in ${sizes.length} files, budget ${BUDGET / 1024} KB`);
if (total > BUDGET) {
  console.error('The first load is over its budget: move what is not needed at once behind a dynamic import.');
  process.exit(1);
}
