/**
 * `npm run chaos`: checks that the promises hold while processes and servers fail. See `--help`.
 */
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { exitProcess } from '@flash-sale/shared/platform/process/exit.ts';
import { brokenBuildOf, type BrokenBuild } from './broken/table.ts';
import { copyBroken } from './broken/tree.ts';
import type { RoundRecord, Violation } from './checker/record.ts';
import { optionsOrExit, runInFolder } from '../stage/program.ts';
import { startCluster, type Cluster } from './cluster.ts';
import { FAULTS, faultOf } from './faults/table.ts';
import { History } from './history.ts';
import { PROGRAM, readOptions, type Options } from './options.ts';
import { planRounds } from './plan.ts';
import { Random } from './random.ts';
import { evidenceText, nameOf, Report } from './report.ts';
import { runRound, type RoundResult } from './round.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const BROKEN_ROUNDS_MAX = 6;
const RUNS_KEPT = 20;
/** A recovery that breaks no promise but should be investigated. */
const SLOW_MS = 5_000;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

/** One run, with its own servers and its own folder for histories. */
class Run {
  readonly #options: Options;
  readonly #folder: string;
  readonly #report = new Report();

  constructor(options: Options) {
    this.#options = options;
    const name = `${new Date().toISOString().replaceAll(':', '-').slice(0, 19)}-seed-${options.seed}`;
    const runs = join(ROOT, '.data', 'chaos');
    dropOldRuns(runs);
    this.#folder = join(runs, name);
  }

  /** Returns the exit code. */
  async normal(dataDir: string): Promise<number> {
    const { seed, rounds, faults: names, only } = this.#options;
    const faults = names === undefined ? FAULTS : names.map(faultOf);
    const random = new Random(seed);
    const plan = planRounds(random.part('plan'), faults, rounds);
    print(
      `seed ${seed}, ${rounds} rounds, ${faults.length} faults; histories in ${relative(process.cwd(), this.#folder)}/`,
    );
    const cluster = await startCluster(dataDir, ROOT);
    try {
      for (const [i, inRound] of plan.entries()) {
        if (only !== undefined && only !== i + 1) continue;
        await this.#round(
          cluster,
          i + 1,
          random,
          inRound.map(({ name }) => name),
        );
      }
    } finally {
      await cluster.close();
    }
    print(`\n${this.#report.table(faults.map(({ name }) => name))}`);
    return this.#report.violations === 0 ? 0 : 1;
  }

  /** Returns 0 if the checker names a promise that the build breaks. */
  async broken(dataDir: string, build: BrokenBuild): Promise<number> {
    const { seed } = this.#options;
    print(`seed ${seed}, broken build ${build.name}: ${build.what}`);
    const cluster = await startCluster(dataDir, copyBroken(ROOT, join(dataDir, 'tree'), build));
    const random = new Random(seed);
    try {
      for (let round = 1; round <= BROKEN_ROUNDS_MAX; round += 1) {
        const { violations } = await this.#round(cluster, round, random, build.faults);
        const named = new Set(violations.map(({ promise }) => promise));
        const expected = build.promises.filter((promise) => named.has(promise));
        if (expected.length === 0) continue;
        const others = [...named].filter((promise) => !expected.includes(promise));
        print(
          `\n${build.name} is reported under ${list(expected)}${others.length === 0 ? '' : `; also under ${list(others)}`}`,
        );
        return 0;
      }
    } finally {
      await cluster.close();
    }
    print(`\n${build.name} was not reported under ${list(build.promises)} in ${BROKEN_ROUNDS_MAX} rounds`);
    return 1;
  }

  async #round(cluster: Cluster, round: number, random: Random, names: readonly string[]): Promise<RoundResult> {
    const history = new History(join(this.#folder, `round-${round}.jsonl`));
    const { seed, shoppers } = this.#options;
    history.note('round', { seed, round, faults: names, shoppers });
    try {
      const result = await runRound({
        cluster,
        faults: names.map(faultOf),
        shoppers,
        random: random.part(`round ${round}`),
        history,
        progress: (what) => showProgress(`round ${round}: ${what}`),
      });
      this.#report.add(result);
      showProgress('');
      print(roundLine(round, result));
      const isSlow = result.record.strikes.some(({ recovery_ms: recoveryMs }) => (recoveryMs ?? 0) > SLOW_MS);
      if (result.violations.length > 0 || isSlow) this.#explain(cluster, round, history, result.violations);
      return result;
    } finally {
      await history.close();
    }
  }

  #explain(cluster: Cluster, round: number, history: History, violations: readonly Violation[]): void {
    const { seed, rounds, shoppers, faults, broken } = this.#options;
    const logs = join(this.#folder, `round-${round}-logs`);
    if (existsSync(cluster.logsFolder)) cpSync(cluster.logsFolder, logs, { recursive: true });
    const flags = [`--seed ${seed}`, `--shoppers ${shoppers}`];
    if (broken === undefined) flags.push(`--rounds ${rounds} --only ${round}`);
    else flags.push(`--broken ${broken}`);
    if (faults !== undefined) flags.push(`--faults ${faults.join(',')}`);
    if (violations.length > 0) print(evidenceText(violations));
    print(`  history: ${relative(process.cwd(), history.path)}, logs: ${relative(process.cwd(), logs)}/`);
    print(`  replay:  npm run chaos -- ${flags.join(' ')}`);
  }
}

const list = (promises: readonly Violation['promise'][]): string => promises.map(nameOf).join(' and ');

function roundLine(
  round: number,
  { record, requests, accepted, orders, violations, allowedLosses, took_ms: tookMs }: RoundResult,
): string {
  const strikes = record.strikes.map(
    ({ fault, struck_ms: struckMs, buys_in_flight: buysInFlight, units_left: unitsLeft, recovery_ms: recoveryMs }) => {
      if (struckMs === 0) return `${fault} did not strike`;
      const recovery = recoveryMs === null ? 'no recovery' : `back in ${(recoveryMs / 1_000).toFixed(2)} s`;
      return `${fault} (${buysInFlight} buys in flight, ${unitsLeft} units left, ${recovery})`;
    },
  );
  const losses = allowedLosses > 0 ? `, ${allowedLosses} allowed losses` : '';
  return `round ${round}, ${(tookMs / 1_000).toFixed(1)} s: ${strikes.join(', ')}: ${requests} requests, ${accepted} accepted, ${orders} orders (${fatesOf(record)})${losses}, ${violations.length} violations`;
}

/** The number of orders by status, such as `900 paid, 80 expired`. */
function fatesOf({ finals }: RoundRecord): string {
  const byStatus = Map.groupBy(
    finals.flatMap(({ orders }) => orders),
    ({ status }) => status,
  );
  return [...byStatus].map(([status, orders]) => `${orders.length} ${status}`).join(', ');
}

/** A run writes tens of megabytes, so only the newest ones are kept. */
function dropOldRuns(folder: string): void {
  const names = existsSync(folder) ? readdirSync(folder).toSorted() : [];
  for (const name of names.slice(0, -RUNS_KEPT)) rmSync(join(folder, name), { recursive: true, force: true });
}

/** The present step, on a terminal. Otherwise only finished rounds are printed. */
function showProgress(what: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${what}`);
}

const options = await optionsOrExit(readOptions, PROGRAM.usage);
const code = await runInFolder('chaos', (folder) => {
  const run = new Run(options);
  return options.broken === undefined ? run.normal(folder) : run.broken(folder, brokenBuildOf(options.broken));
});
await exitProcess(code);
