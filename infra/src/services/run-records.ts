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
 * Each process of a data folder is recorded in `<data>/run/<name>.json` at its start, and the
 * record is deleted at its end. A later command (the next start after a SIGKILL, `npm stop`) can
 * end the recorded process, and no other: a process is the recorded one only if its identity is
 * equal.
 *
 * Services (api, worker) use the servers, so services are always ended first.
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

/** A record cut off by a full disk names no process, so it counts as none. */
function parseRecord(text: string): RunRecord | undefined {
  try {
    return JSON.parse(text) as RunRecord;
  } catch {
    return undefined;
  }
}

export const isRunning = (record: ProcessRecord): boolean => processIdentity(record.pid) === record.identity;

/**
 * Ends everything that the records of a data folder name, services before servers: first SIGTERM,
 * then SIGKILL after `graceMs`. Returns the names of what it ended.
 */
export async function endRecorded(dataDir: string, graceMs = 3_000): Promise<string[]> {
  const ended: string[] = [];
  const records = [...readRunRecords(dataDir)];
  for (const kinds of endingOrder) {
    const inTurn = records.filter(([, record]) => kinds.includes(record.kind));
    await Promise.all(
      inTurn.map(async ([name, record]) => {
        if (await end(record, graceMs)) ended.push(name);
        removeRunRecord(dataDir, name);
      }),
    );
  }
  return ended.toSorted();
}

async function end(record: RunRecord, graceMs: number): Promise<boolean> {
  if (record.kind === 'container') return removeContainer(record.container);
  return endProcess(record, graceMs);
}

/**
 * Ends a process that may not be a child of this one, with its process group. There is no event to
 * await, so this checks the identity until the process is gone. Returns false if it did not run any
 * more.
 */
export async function endProcess(
  record: ProcessRecord,
  graceMs: number,
  send: (pid: number, signal: NodeJS.Signals) => void = signalGroup,
): Promise<boolean> {
  if (!isRunning(record)) return false;
  send(record.pid, 'SIGTERM');
  // A frozen process cannot handle SIGTERM before it continues.
  send(record.pid, 'SIGCONT');
  const killAt = performance.now() + graceMs;
  while (isRunning(record)) {
    if (performance.now() >= killAt) send(record.pid, 'SIGKILL');
    await pause(20);
  }
  return true;
}

/** Every launched process leads its own group. A process that has just ended is no error. */
export const signalGroup = (pid: number, signal: NodeJS.Signals): void => signalOne(-pid, signal);

export function signalOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
