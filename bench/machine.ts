import { execFileSync } from 'node:child_process';
import { cpus, loadavg, totalmem, type as systemName, release } from 'node:os';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findMysqlProgram, findRedisProgram, searchFolders } from '@flash-sale/infra/services/programs.ts';
import type { MachineJson } from './report/results.ts';

const ROOT = join(import.meta.dirname, '..');
const GIB = 1_024 ** 3;

/** The machine of the measurement. */
export function thisMachine(): MachineJson {
  const folders = searchFolders(process.env);
  const redis = findRedisProgram(folders);
  const mysql = findMysqlProgram(folders);
  const [cpu] = cpus();
  return {
    cpu: cpu?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / GIB),
    system: `${systemName()} ${release()}`,
    versions: {
      node: process.version.slice(1),
      redis: redis?.version ?? 'given',
      ...(mysql === undefined ? {} : { [mysql.flavour]: mysql.version }),
      fastify: versionOf('packages/api/node_modules/fastify'),
      bullmq: versionOf('packages/worker/node_modules/bullmq'),
      autocannon: versionOf('bench/node_modules/autocannon'),
    },
    load_before: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** The measured commit, with a mark if files differ from it. */
export function thisCommit(): string {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty', '--exclude', '*'], {
      cwd: ROOT,
      encoding: 'utf8',
    }).trim();
  } catch {
    return 'unknown';
  }
}

function versionOf(folder: string): string {
  return (JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as { version: string }).version;
}
