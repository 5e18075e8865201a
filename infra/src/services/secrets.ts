import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeWholeFile } from './whole-file.ts';

/**
 * A secret that is made once per data folder and the same ever after: in `<data>/secrets.json`,
 * readable by its owner only.
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
