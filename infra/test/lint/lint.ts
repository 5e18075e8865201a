import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../temporary-folder.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PLUGIN = join(ROOT, 'infra/src/lint/house.ts');

/** What one rule of this project says of a source, a finding on each line. */
export function lint(source: string, rule: string, options?: object): string {
  const folder = temporaryFolder();
  const config = {
    jsPlugins: [PLUGIN],
    categories: { correctness: 'off' },
    rules: { [`house/${rule}`]: options === undefined ? 'error' : ['error', options] },
  };
  writeFileSync(join(folder, '.oxlintrc.json'), JSON.stringify(config));
  writeFileSync(join(folder, 'source.ts'), source);
  const { stdout } = spawnSync(join(ROOT, 'node_modules/.bin/oxlint'), ['-f', 'unix', 'source.ts'], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 25_000,
  });
  return stdout;
}
