import { describe, expect, it } from 'vitest';
import { runProgram } from '@flash-sale/shared/testing/program.ts';
import { understand } from '../../src/ops/read.ts';
import { PAGES, readPage } from './pages.ts';

const { scripts } = JSON.parse(readPage('package.json')) as { scripts: Record<string, string> };

const SERVICE_COMMAND = 'infra/src/service-command.ts';

/** Scripts that run a program of ours, with what they run. */
const PROGRAMS = new Map(
  Object.entries(scripts).flatMap(([name, script]) => {
    const [, program] = /^exec sh infra\/run\.sh \w+ node ((?:infra|bench)\/.*\.ts.*)$/.exec(script) ?? [];
    return program === undefined ? [] : [[name, program.split(' ')] as const];
  }),
);
/** The same without the program that passes them the settings of the running service. */
const OWN_PROGRAMS = new Map(
  [...PROGRAMS].map(([name, program]) => [name, program[0] === SERVICE_COMMAND ? program.slice(1) : program] as const),
);

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
  it.concurrent.for(withOptions)('$page: npm run $name -- $args', async ({ name, args }, { onTestFinished }) => {
    const command = [...OWN_PROGRAMS.get(name)!, ...args, '--help'];
    expect(await runProgram(command, {}, onTestFinished)).toMatchObject({ code: 0, complained: '' });
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
  it.concurrent('prints its usage with --help', async ({ onTestFinished }) => {
    const answer = await runProgram([...program, '--help'], {}, onTestFinished);
    expect(answer).toMatchObject({ code: 0, complained: '' });
    expect(answer.said).toMatch(/^(npm|node) [^\n]+\n\n[^]+ --help /);
  });

  it.concurrent('refuses an option that it does not have, in one line: exit code 2, and nothing is done', async ({
    onTestFinished,
  }) => {
    const answer = await runProgram([...program, '--surely'], {}, onTestFinished);
    expect(answer).toMatchObject({ code: 2, said: '' });
    expect(answer.complained).toMatch(/^[^\n]+\n$/);
  });
});

describe.each(['audit', 'migrate', 'bench:compare', 'alerts:fire'])('npm run %s', (name) => {
  it.concurrent('prints one JSON document with --json', async ({ onTestFinished }) => {
    const command = [...OWN_PROGRAMS.get(name)!, '--json', '--help'];
    expect(await runProgram(command, {}, onTestFinished)).toMatchObject({ code: 0, complained: '' });
  });
});

it.each([
  ['is not there', '/nowhere.json', 'cannot be read: ENOENT'],
  ['is not JSON', 'README.md', 'is not JSON'],
  ['is no result', 'package.json', 'is not a result file of this version'],
])('npm run bench:compare names a file that %s in one line: it once printed a stack trace', async (_, file, wrong) => {
  const answer = await runProgram([...PROGRAMS.get('bench:compare')!, file, file]);
  expect(answer).toMatchObject({ code: 2, said: '' });
  expect(answer.complained).toMatch(new RegExp(`^${file} ${wrong}; usage: npm run bench:compare [^\\n]+\\n$`));
});

it('npm run migrate reports a MySQL that is away in one line', async () => {
  const { complained, code } = await runProgram(PROGRAMS.get('migrate')!, { DB_HOST: '127.0.0.1', DB_PORT: '1' });
  expect([complained, code]).toEqual(['MySQL does not do what it was asked to: connect ECONNREFUSED 127.0.0.1:1\n', 1]);
});
