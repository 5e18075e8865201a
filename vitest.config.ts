import { defineConfig } from 'vitest/config';

/** A folder with its own `test/`, run as a project of that name. */
const project = (name: string, folder: string) => ({
  test: {
    name,
    include: [`${folder}/test/**/*.test.ts`],
    // They need Chromium: `npm run test:browser`.
    exclude: ['packages/web/test/browser/**'],
    pool: 'forks' as const,
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // A machine that stalls is not a failure; what is awaited comes much sooner.
    expect: { poll: { timeout: 10_000 } },
  },
});

export default defineConfig({
  test: {
    // One Redis and one MySQL for the whole run; tests reach them with `inject("servers")`.
    globalSetup: 'infra/src/test-servers.ts',
    projects: [
      project('shared', 'packages/shared'),
      project('api', 'packages/api'),
      project('worker', 'packages/worker'),
      project('web', 'packages/web'),
      project('infra', 'infra'),
      project('bench', 'bench'),
    ],
    // The servers want a share of the cores too, so no more files at once than two cores can carry.
    maxWorkers: 2,
    passWithNoTests: true,
  },
});
