import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../../..');
const ANSWER_MS_MAX = 60_000;

export interface Advisories {
  /**
   * `vulnerable`: a vulnerability of high or critical severity is known. `no answer`: not known,
   * since the registry did not answer.
   */
  readonly verdict: 'clean' | 'vulnerable' | 'no answer';
  /** The output of pnpm. */
  readonly text: string;
}

/**
 * Asks the registry whether a package in the lock file has a known vulnerability. Many mirrors do
 * not offer that.
 */
export function askForAdvisories(registry?: string): Promise<Advisories> {
  const { packageManager } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { packageManager: string };
  const args = ['--yes', packageManager, 'audit', '--audit-level', 'high'];
  if (registry !== undefined) args.push(`--config.registry=${registry}`);
  return new Promise((resolve) => {
    execFile('npx', args, { cwd: ROOT, timeout: ANSWER_MS_MAX }, (error, stdout, stderr) => {
      const text = `${stdout}${stderr}`.replaceAll(/^npm warn .*\n/gm, '').trim();
      // The exit code alone does not distinguish a vulnerability from an error.
      const answered = /No known vulnerabilities found|^\d+ vulnerabilities found/m.test(text);
      if (!answered) resolve({ verdict: 'no answer', text });
      else resolve({ verdict: error === null ? 'clean' : 'vulnerable', text });
    });
  });
}
