import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { removeContainer } from './docker-client.ts';
import { processIdentity } from './process-identity.ts';
import { writeWholeFile } from './whole-file.ts';

export interface ProcessRecord {
  pid: number;
  identity: string;
}

/**
 * What runs on behalf of a data folder is written down in `<data>/run/<name>.json` as it starts and
 * crossed out when it ends. Whoever finds a record later (the next start after a SIGKILL, `npm stop`)
 * can end what it names, and nothing else: a process is the recorded one only while its identity is.
 *
 * Services (api, worker) use the servers, so they are always ended first.
 */
export type RunRecord = ({ kind: 'service' | 'server' } & ProcessRecord) | { kind: 'container'; container: string };

const endingOrder: RunRecord['kind'][][] = [['service'], ['server', 'container']];

const recordPath = (dataDir: string, name: string) => join(dataDir, 'run', `${name}.json`);

export function writeRunRecord(dataDir: string, name: string, record: RunRecord): void {
  mkdirSync(join(dataDir, 'run'), { recursive: true });
  writeWholeFile(recordPath(dataDir, name), JSON.stringify(record));
}

export function removeRunRecord(dataDir: string, name: string): void {
  rmSync(recordPath(dataDir, name), { force: true });
}

export function readRunRecords(dataDir: string): Map<string, RunRecord> {
  const records = new Map<string, RunRecord>();
  for (const file of filesIn(join(dataDir, 'run'))) {
    if (!file.endsWith('.json')) continue;
    const record = parseRecord(readFileSync(join(dataDir, 'run', file), 'utf8'));
    if (record) records.set(basename(file, '.json'), record);
  }
  return records;
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** A record cut short by a full disk names nobody, which is as good as no record. */
function parseRecord(text: string): RunRecord | undefined {
  try {
    return JSON.parse(text) as RunRecord;
  } catch {
    return undefined;
  }
}

export const isRunning = (record: ProcessRecord): boolean => processIdentity(record.pid) === record.identity;

/**
 * Ends everything that the records of a data folder still name, services before servers, each asked
 * first (SIGTERM) and made to (SIGKILL) after `grace_ms`. Returns the names of what it ended.
 */
export async function endRecorded(dataDir: string, grace_ms = 3_000): Promise<string[]> {
  const ended: string[] = [];
  const records = [...readRunRecords(dataDir)];
  for (const kinds of endingOrder) {
    const inTurn = records.filter(([, record]) => kinds.includes(record.kind));
    await Promise.all(
      inTurn.map(async ([name, record]) => {
        if (await end(record, grace_ms)) ended.push(name);
        removeRunRecord(dataDir, name);
      }),
    );
  }
  return ended.toSorted();
}

async function end(record: RunRecord, grace_ms: number): Promise<boolean> {
  if (record.kind === 'container') return removeContainer(record.container);
  return endProcess(record, grace_ms);
}

/**
 * Ends a process that is not a child of this one (or may not be), with the group that it leads: there
 * is no event to await for those, so its identity is looked at until it is gone. False where it did not
 * run any more.
 */
export async function endProcess(
  record: ProcessRecord,
  grace_ms: number,
  send: (pid: number, signal: NodeJS.Signals) => void = signalGroup,
): Promise<boolean> {
  if (!isRunning(record)) return false;
  send(record.pid, 'SIGTERM');
  // A stopped (frozen) process cannot act on SIGTERM before it goes on.
  send(record.pid, 'SIGCONT');
  const killAt = performance.now() + grace_ms;
  while (isRunning(record)) {
    if (performance.now() >= killAt) send(record.pid, 'SIGKILL');
    await pause(20);
  }
  return true;
}

/** Everything launched leads a process group of its own; one that has just ended is no error. */
export const signalGroup = (pid: number, signal: NodeJS.Signals): void => signalOne(-pid, signal);

export function signalOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
