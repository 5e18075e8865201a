import { basename } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { textTable } from '@flash-sale/shared/platform/process/text-table.ts';
import { measureGrowth } from './growth/growth.ts';
import { soak } from './growth/soak.ts';
import { thisCommit, thisMachine } from './machine.ts';
import type { Options } from './options.ts';
import { GROWTH_HEAD, growthTable, MEMORY_HEAD, memoryTable, type GrowthJson } from './report/growth.ts';
import { summary } from './report/page.ts';
import { readResults, type ResultsJson } from './report/results.ts';
import { writeReport, writeResults } from './report/write.ts';
import { Run } from './run.ts';
import { bearers } from './scenarios/sale.ts';
import { measureRemote } from './scenarios/remote.ts';
import { SETTINGS, startStage } from './stage/stage.ts';
import { runInFolder } from './stage/program.ts';

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const begunMs = performance.now();
const tookS = (): number => Math.round((performance.now() - begunMs) / 100) / 10;
/** Prints a line with the time since the start. */
const progress = (line: string): void => print(`${tookS().toFixed(1).padStart(6)} s  ${line}`);

function finish(options: Options, results: ResultsJson): number {
  print(`\n${summary(results)}\n`);
  const file = writeResults(options.out, results.mode, results.date, results);
  const pages = results.mode === 'url' ? [] : writeReport(options.out, results, file);
  for (const path of [`bench/results/${file}`, ...pages]) print(`wrote ${path}`);
  return results.broken.length === 0 && results.repetitions.length > 0 ? 0 : 1;
}

/** The side-by-side run. If its time runs out, what was measured until then counts. */
async function sideBySide(options: Options, dataDir: string): Promise<number> {
  const head = { format: 1 as const, date: new Date().toISOString(), commit: thisCommit(), machine: thisMachine() };
  const { cores, load_before: loadBefore } = head.machine;
  if (loadBefore > cores / 4) progress(`the load is ${loadBefore} on ${cores} cores: figures will be noisy`);
  const stage = await startStage({ dataDir });
  progress('servers and processes are up');
  try {
    const run = new Run(options, stage, progress);
    const limit = new AbortController();
    const isCutShort = await Promise.race([
      run.measure(options.limitMs).then(() => false),
      pause(options.limitMs - performance.now() + begunMs, true, { signal: limit.signal }),
    ]);
    limit.abort();
    if (isCutShort) progress('out of time: what was measured until now is reported');
    const mode = options.mode === 'quick' ? 'quick' : 'full';
    return finish(options, { ...head, mode, took_s: tookS(), settings: SETTINGS, ...run.measured });
  } finally {
    await stage.close();
  }
}

async function remote(options: Options, url: string): Promise<number> {
  const { ADMIN_TOKEN, JWT_SECRET } = process.env;
  if (ADMIN_TOKEN === undefined) throw new Error('--url needs ADMIN_TOKEN: the bench opens sales of its own');
  const service = {
    url,
    operatorToken: ADMIN_TOKEN,
    ...(JWT_SECRET === undefined ? {} : { headersOf: bearers(JWT_SECRET) }),
  };
  const figures = await measureRemote(service, options.size, progress);
  return finish(options, {
    format: 1,
    date: new Date().toISOString(),
    mode: 'url',
    took_s: tookS(),
    commit: thisCommit(),
    machine: thisMachine(),
    settings: {},
    usual: { concurrency: 0, tried: {} },
    repetitions: [figures],
    broken: [],
  });
}

async function growth(options: Options, dataDir: string): Promise<number> {
  const [commit, machine] = [thisCommit(), thisMachine()];
  const measured = await measureGrowth(dataDir, progress, options.growthOf);
  const results: GrowthJson = {
    format: 1,
    date: new Date().toISOString(),
    took_s: tookS(),
    commit,
    machine,
    ...measured,
  };
  print(`\n${textTable([GROWTH_HEAD, ...growthTable(results)])}\n`);
  print(`${textTable([MEMORY_HEAD, ...memoryTable(results)])}\n`);
  if (options.growthOf !== undefined) return 0;
  print(`wrote bench/results/${writeResults(options.out, 'growth', results.date, results)}; the next report shows it`);
  return 0;
}

/** Measures what the options ask for, and writes the report. Returns the exit code. */
export async function measure(options: Options): Promise<number> {
  if (options.report !== undefined) {
    const pages = writeReport(options.out, readResults(options.report), basename(options.report));
    for (const path of pages) print(`wrote ${path}`);
    return 0;
  }
  if (options.url !== undefined) return remote(options, options.url);

  return runInFolder('bench', async (folder) => {
    switch (options.mode) {
      case 'growth':
        return growth(options, folder);
      case 'soak':
        return soak(folder, options.soakMs, progress);
      default:
        return sideBySide(options, folder);
    }
  });
}
