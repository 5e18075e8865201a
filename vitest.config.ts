import { defineConfig } from 'vitest/config';
import { SpreadLongFiles } from './infra/src/test-order.ts';

export default defineConfig({
  test: {
    // One Redis and one MySQL for the whole run; tests reach them with `inject("servers")`.
    globalSetup: 'infra/src/test-servers.ts',
    include: ['{packages/*,infra,bench}/test/**/*.test.ts'],
    // They need Chromium: `npm run test:browser`.
    exclude: ['packages/web/test/browser/**'],
    pool: 'forks',
    // A process runs one file after another and imports each module once. With a process and
    // imports for each file, the run takes a third longer.
    isolate: false,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A machine that stalls is not a failure; what is awaited comes much sooner.
    expect: { poll: { timeout: 10_000 } },
    // Many tests wait, so that two cores have time for a third file. A fourth one would take the
    // idle time that keeps what a test waits for punctual.
    maxWorkers: 3,
    sequence: { sequencer: SpreadLongFiles },
    passWithNoTests: true,
  },
});
