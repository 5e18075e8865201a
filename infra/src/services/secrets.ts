import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWholeFile } from './whole-file.ts';

/**
 * A secret that is created once per data folder, in `<data>/secrets.json`, which only its owner can
 * read.
 */
export function ensureSecret(dataDir: string, name: string): string {
  const path = join(dataDir, 'secrets.json');
  const secrets = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>) : {};
  const kept = secrets[name];
  if (kept !== undefined) return kept;
  const value = randomBytes(24).toString('hex');
  writeWholeFile(path, `${JSON.stringify({ ...secrets, [name]: value }, null, 2)}\n`);
  return value;
}
