import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream, writeFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { installPrograms } from '@flash-sale/infra/services/package-manager.ts';
import { findDumpPrograms, searchFolders } from '@flash-sale/infra/services/programs.ts';

export interface DumpTarget {
  readonly dataDir: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

/**
 * The programs that write and restore a dump, installed if the machine's package manager has them.
 */
export async function dumpPrograms(dataDir: string, log: (line: string) => void) {
  const folders = searchFolders(process.env);
  const found = findDumpPrograms(folders);
  if (found !== undefined) return found;
  await installPrograms({ missing: ['mysqldump'], folders, dataDir, env: process.env, log });
  const installed = findDumpPrograms(folders);
  if (installed === undefined) throw new Error('The drill needs mariadb-dump and mariadb, or mysqldump and mysql');
  return installed;
}

/**
 * Dumps one database as of one instant, without locks that block others. Returns the file's size.
 */
export async function writeDump(program: string, target: DumpTarget, database: string, path: string): Promise<number> {
  const args = ['--single-transaction', '--quick', '--hex-blob', '--databases', database];
  await run(program, [loginOf(target), ...args], { to: path });
  return (await stat(path)).size;
}

export async function restoreDump(program: string, target: DumpTarget, path: string): Promise<void> {
  await run(program, [loginOf(target)], { from: path });
}

/**
 * A file, since every user of the machine can read the arguments of a process. Must be the first
 * argument.
 */
function loginOf({ dataDir, port, user, password }: DumpTarget): string {
  const path = join(dataDir, 'login.cnf');
  const lines = ['[client]', 'protocol=tcp', 'host=127.0.0.1', `port=${port}`, `user=${user}`, `password=${password}`];
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 });
  return `--defaults-file=${path}`;
}

async function run(
  program: string,
  args: readonly string[],
  { from, to }: { from?: string; to?: string },
): Promise<void> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const written = to === undefined ? child.stdout.resume() : pipeline(child.stdout, createWriteStream(to));
  if (from === undefined) child.stdin.end();
  else await pipeline(createReadStream(from), child.stdin);
  const [[code]] = await Promise.all([exited, written]);
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${said.slice(0, 1_000)}`);
}
