import react from '@vitejs/plugin-react';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// `npm run dev` serves the console and passes everything else on to a running Atrium.
const server = process.env.ATRIUM_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  build: {
    target: 'es2022',
    manifest: true,
    // No data: URLs: the content security policy of the server has nothing inline to allow but images.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 600, // scripts/check_size.mjs judges what counts: the first load
    modulePreload: { polyfill: false },
  },
  server: { proxy: Object.fromEntries(['/v1', '/atrium', '/healthz', '/readyz', '/metrics'].map((path) => [path, server])) },
  test: { include: ['src/**/*.test.{ts,tsx}'] },
});
