import { rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { flag, option, readCommandLine } from '@flash-sale/shared/platform/process/command-line.ts';
import { DEBIAN_SERVERS } from './debian-servers/catalog.ts';
import { pathWith, provideServer, type ProvidedServer } from './debian-servers/provide.ts';
import { markdownTable } from './docs/markdown-table.ts';
import { importsIn } from './imports/import-rules.ts';
import { combinationsOf, environmentFor, type Combination } from './matrix/combination.ts';
import { serverTestsIn } from './matrix/server-tests.ts';
import { argumentsOf, isQuickTest, outcomeOf, STEPS, stepsOf, type Outcome, type Step } from './matrix/steps.ts';
import { runToEnd } from './services/launch.ts';
import { findMysqlProgram, findRedisProgram, searchFolders } from './services/programs.ts';
import { StartFailure } from './services/start-failure.ts';
import { dataDirOfCheckout, print, runCommand, stopSignal } from './stack/command.ts';

/**
 * `npm run matrix`: runs what depends on MySQL and Redis on several of them. Exit code 1: something
 * failed.
 */
const { values } = await readCommandLine({
  usage: 'npm run matrix -- [options]',
  summary: `Runs the tests that use servers, a chaos run and the restore drill on several servers, and prints a table. Exit code 1: something failed.
Servers: machine (the programs found on this machine), given (the addresses in the environment, of servers with the
settings of docs/operations.md; tests only), or names of npm run servers joined by a plus, which are downloaded if they
are missing. What a name leaves out is the machine's.`,
  options: {
    servers: option('<a,b>', 'run on these servers (default mysql+redis8,machine)', combinationsOf),
    steps: option('<a,b>', `run only these steps of ${STEPS.join(', ')}`, stepsOf),
    quick: flag('run only the tests of packages/shared and packages/worker, and fewer rounds of chaos'),
    available: flag('leave out servers that this machine cannot download, instead of failing'),
  },
});

const ROOT = join(import.meta.dirname, '../..');
const MATRIX_FOLDER = join(dataDirOfCheckout, 'matrix');

interface Row {
  readonly name: string;
  readonly versions: string;
  readonly outcomes: ReadonlyMap<Step, Outcome & { readonly tookS: number; readonly logFile: string }>;
}

/**
 * Runs the steps on one combination, one after another.
 *
 * @returns undefined if its servers cannot be downloaded and `--available` was given
 */
async function runCombination(
  combination: Combination,
  tests: readonly string[],
  signal: AbortSignal,
): Promise<Row | undefined> {
  const downloads = await provideAll(combination, signal);
  if (downloads === undefined) return undefined;
  const env = environmentFor(combination, process.env, pathWith(downloads, process.env['PATH']));
  const versions = combination.isGiven ? 'given' : versionsIn(env);
  const folder = join(MATRIX_FOLDER, combination.name);
  rmSync(folder, { recursive: true, force: true });
  const wanted = values.steps ?? STEPS;
  const outcomes: Row['outcomes'] & Map<Step, unknown> = new Map();
  for (const step of wanted) {
    // Chaos and the drill start servers of their own.
    if (combination.isGiven && step !== 'tests') continue;
    const began = performance.now();
    const { end, logFile } = await runToEnd(
      {
        name: step,
        kind: 'service',
        dataDir: folder,
        program: process.execPath,
        args: argumentsOf(step, { tests, isQuick: values.quick, folder }),
        cwd: ROOT,
        env,
      },
      signal,
    );
    const outcome = outcomeOf(step, end.code, folder);
    const tookS = Math.round((performance.now() - began) / 1_000);
    outcomes.set(step, { ...outcome, tookS, logFile });
    print(`${combination.name}, ${step}: ${outcome.text}, ${tookS} s`);
  }
  if (outcomes.size === 0) throw new StartFailure(`on ${combination.name} servers only the step tests can run`);
  return { name: combination.name, versions, outcomes };
}

/** The downloaded servers of a combination. */
async function provideAll(
  { name, downloads }: Combination,
  signal: AbortSignal,
): Promise<ProvidedServer[] | undefined> {
  const provided: ProvidedServer[] = [];
  try {
    for (const download of downloads) provided.push(await provide(download, signal));
  } catch (error) {
    if (!values.available || !(error instanceof StartFailure)) throw error;
    print(`NOT CHECKED on ${name}: ${error.message}`);
    return undefined;
  }
  return provided;
}

const provide = (name: string, signal: AbortSignal): Promise<ProvidedServer> =>
  provideServer(name, DEBIAN_SERVERS[name]!, {
    dataDir: dataDirOfCheckout,
    folders: searchFolders(process.env),
    env: process.env,
    log: print,
    signal,
  });

/** @throws StartFailure if a program is missing */
function versionsIn(env: NodeJS.ProcessEnv): string {
  const folders = searchFolders(env);
  const [mysql, redis] = [findMysqlProgram(folders), findRedisProgram(folders)];
  if (mysql === undefined || redis === undefined) {
    const missing = mysql === undefined ? 'MySQL or MariaDB' : 'Redis';
    throw new StartFailure(`this machine has no ${missing}. npm run servers downloads one: npm run servers -- --help`);
  }
  return `${mysql.flavour === 'mariadb' ? 'MariaDB' : 'MySQL'} ${mysql.version}, ${redis.product} ${redis.version}`;
}

function printTable(rows: readonly Row[]): void {
  const steps = STEPS.filter((step) => rows.some(({ outcomes }) => outcomes.has(step)));
  const cells = rows.map(({ name, versions, outcomes }) => {
    const texts = steps.map((step) => {
      const outcome = outcomes.get(step);
      return outcome === undefined ? '-' : `${outcome.isGood ? '' : 'FAILED: '}${outcome.text}, ${outcome.tookS} s`;
    });
    return [name, versions, ...texts];
  });
  print(`\n${markdownTable(['Servers', 'Versions', ...steps], cells)}`);
}

function printFailures(rows: readonly Row[]): void {
  for (const { name, outcomes } of rows) {
    for (const [step, { isGood, failures, logFile }] of outcomes) {
      if (isGood) continue;
      print(`\n${name}, ${step}: ${relative(process.cwd(), logFile)}`);
      for (const failure of failures) print(`  ${relative(ROOT, failure)}`);
    }
  }
}

await runCommand(async () => {
  const signal = stopSignal();
  const tests = serverTestsIn(ROOT, importsIn(ROOT)).filter((path) => !values.quick || isQuickTest(path));
  const rows: Row[] = [];
  for (const combination of values.servers ?? combinationsOf('mysql+redis8,machine')) {
    const row = await runCombination(combination, tests, signal);
    if (row !== undefined) rows.push(row);
  }
  if (rows.length > 0) printTable(rows);
  printFailures(rows);
  const failed = rows.filter(({ outcomes }) => [...outcomes.values()].some(({ isGood }) => !isGood));
  if (failed.length > 0) throw new StartFailure(`failed on ${failed.map(({ name }) => name).join(', ')}`);
});
