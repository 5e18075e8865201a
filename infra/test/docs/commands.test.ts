import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { COMPILE_CACHE } from '../../src/test-context.ts';
import { understand } from '../../src/ops/read.ts';
import { PAGES, readPage } from './pages.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const { scripts } = JSON.parse(readPage('package.json')) as { scripts: Record<string, string> };

/** Scripts that run a program of ours, with what they run. */
const PROGRAMS = new Map(
  Object.entries(scripts).flatMap(([name, script]) => {
    const [, program] = /^exec sh infra\/run\.sh \w+ node ((?:infra|bench)\/.*\.ts.*)$/.exec(script) ?? [];
    return program === undefined ? [] : [[name, program.split(' ')] as const];
  }),
);

async function run(program: readonly string[], ...args: string[]) {
  const child = spawn(process.execPath, [...program, ...args], {
    cwd: ROOT,
    env: { ...COMPILE_CACHE, PATH: process.env['PATH'] },
  });
  const ended = once(child, 'exit') as Promise<[number]>;
  const [said, complained, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { said, complained, code };
}

interface Typed {
  readonly name: string;
  readonly args: readonly string[];
}

/** What stands for a value in the docs, and a value of that kind. */
const EXAMPLES: Readonly<Record<string, string>> = {
  SALE: '17',
  UNITS: '100',
  ORDER_NO: '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-17',
  USER: 'alice',
  ID: 'alice',
  CIDR: '203.0.113.0/24',
  TEXT: 'why',
  N: '7',
};

/**
 * The commands of a page with their options, up to the end of the command in a text or in a code
 * block.
 */
function commandsOf(page: string): Typed[] {
  const blocks = [...readPage(page).matchAll(/```sh\n([^]*?)```/g)].flatMap(([, block]) => block!.split('\n'));
  // A command may begin at the end of a line of running text.
  const spans = [
    ...readPage(page)
      .replaceAll(/```[^]*?```/g, '')
      .matchAll(/`([^`]+)`/g),
  ].map(([, span]) => span!);
  return [...blocks, ...spans].flatMap((line) => {
    const [, name, rest = ''] =
      /\bnpm run (?:--silent )?([a-z][\w:-]*)(?: -- ([^#|;>]*))?/.exec(line.replaceAll(/\s+/g, ' ')) ?? [];
    const args = rest
      .trim()
      .split(' ')
      .filter((arg) => arg !== '');
    return name === undefined ? [] : [{ name, args: args.map((arg) => EXAMPLES[arg] ?? arg) }];
  });
}

const all = PAGES.flatMap((page) => commandsOf(page).map((typed) => ({ page, ...typed })));
const withOptions = [
  ...new Map(
    all
      .filter(({ name, args }) => args.length > 0 && name !== 'ops' && PROGRAMS.has(name))
      .map((typed) => [[typed.name, ...typed.args].join(' '), typed]),
  ).values(),
];

describe('the commands that the docs name', () => {
  it('are found', () => {
    expect(all.filter(({ name }) => name === 'ops').length).toBeGreaterThan(30);
    expect(withOptions.length).toBeGreaterThan(2);
  });

  it.each(all.filter(({ name, args }) => name === 'ops' && !args.includes('…') && args[0] !== '--help'))(
    '$page: npm run ops -- $args',
    ({ args }) => {
      expect(understand(args)).toHaveProperty('command');
    },
  );

  // Help is printed only if everything else is valid.
  it.each(withOptions)('$page: npm run $name -- $args', async ({ name, args }) => {
    expect(await run(PROGRAMS.get(name)!, ...args, '--help')).toMatchObject({ code: 0, complained: '' });
  });
});

/** The programs that containers and machines run without npm. */
const MAINS = [
  'packages/api/src/main.ts',
  'packages/worker/src/main.ts',
  'packages/shared/src/platform/mysql/migrate-command.ts',
];

describe.each([...PROGRAMS, ...MAINS.map((main) => [main, [main]] as const)])('%s', (_, program) => {
  // Two at once: each of them spends its time on one core.
  it.concurrent('prints its usage with --help', async () => {
    const answer = await run(program, '--help');
    expect(answer).toMatchObject({ code: 0, complained: '' });
    expect(answer.said).toMatch(/^(npm|node) [^\n]+\n\n[^]+ --help /);
  });

  it.concurrent('refuses an option that it does not have, in one line: exit code 2, and nothing is done', async () => {
    const answer = await run(program, '--surely');
    expect(answer).toMatchObject({ code: 2, said: '' });
    expect(answer.complained).toMatch(/^[^\n]+\n$/);
  });
});

describe.each(['audit', 'migrate', 'bench:compare', 'alerts:fire'])('npm run %s', (name) => {
  it('prints one JSON document with --json', async () => {
    expect(await run(PROGRAMS.get(name)!, '--json', '--help')).toMatchObject({ code: 0, complained: '' });
  });
});

it.each([
  ['is not there', '/nowhere.json', 'cannot be read: ENOENT'],
  ['is not JSON', 'README.md', 'is not JSON'],
  ['is no result', 'package.json', 'is not a result file of this version'],
])('npm run bench:compare names a file that %s in one line: it once printed a stack trace', async (_, file, wrong) => {
  const answer = await run(PROGRAMS.get('bench:compare')!, file, file);
  expect(answer).toMatchObject({ code: 2, said: '' });
  expect(answer.complained).toMatch(new RegExp(`^${file} ${wrong}; usage: npm run bench:compare [^\\n]+\\n$`));
});

it('npm run migrate reports a MySQL that is away in one line', async () => {
  const child = spawn(process.execPath, [...PROGRAMS.get('migrate')!], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], DB_HOST: '127.0.0.1', DB_PORT: '1' },
  });
  const [complained, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  expect([complained, code]).toEqual(['MySQL does not do what it was asked to: connect ECONNREFUSED 127.0.0.1:1\n', 1]);
});
