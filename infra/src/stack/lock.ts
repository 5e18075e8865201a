import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { processIdentity } from '../services/process-identity.ts';
import { isRunning, type ProcessRecord } from '../services/run-records.ts';
import { reasonOf, StartFailure } from '../services/start-failure.ts';

const holderPath = (dataDir: string) => join(dataDir, 'lock-holder.json');

/**
 * Makes this process the only one that works on a data folder, until it ends or disposes of the
 * lock. It is the lock of an SQLite file, which the kernel releases when its process ends, even
 * after a SIGKILL: so a lock is never stale. Fails if another process holds it.
 */
export function takeLock(dataDir: string): Disposable {
  const database = openLockFile(dataDir);
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch {
    const holder = lockHolder(dataDir);
    throw new StartFailure(
      `the service is already running from this checkout${holder ? ` (process ${holder.pid})` : ''}.\n` +
        '`npm stop` stops it. A second service needs another checkout and another SERVER_PORT.',
    );
  }
  const holder = { pid: process.pid, identity: processIdentity(process.pid) };
  writeFileSync(holderPath(dataDir), JSON.stringify(holder));
  return {
    [Symbol.dispose]() {
      rmSync(holderPath(dataDir), { force: true });
      database.close();
    },
  };
}

function openLockFile(dataDir: string): DatabaseSync {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const path = join(dataDir, 'lock.sqlite');
    // SQLite would open a file that it may not write, and fail later.
    writeFileSync(path, '', { flag: 'a' });
    // Two processes that start at the same moment can block each other for an instant.
    return new DatabaseSync(path, { timeout: 500 });
  } catch (error) {
    throw new StartFailure(`cannot write to ${dataDir}: ${reasonOf(error)}`);
  }
}

/** The process that works on a data folder now. */
export function lockHolder(dataDir: string): ProcessRecord | undefined {
  try {
    const holder = JSON.parse(readFileSync(holderPath(dataDir), 'utf8')) as ProcessRecord;
    return isRunning(holder) ? holder : undefined;
  } catch {
    return undefined;
  }
}
