import { defineConfig } from 'vitest/config';

/** Tests of the pages in real Chromium, against a whole service: `npm run test:browser`. */
export default defineConfig({
  test: {
    globalSetup: 'infra/src/test-servers.ts',
    include: ['packages/web/test/browser/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 20_000 } },
    // Each file has a service and a browser of its own, which want the cores.
    maxWorkers: 1,
  },
});
