/**
 * `npm run alerts:check`: checks Prometheus's configuration, the alerts, when each of them fires,
 * and the syntax of every dashboard query, with promtool. If promtool is not available, it says so
 * and checks nothing.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCommandLine } from '@flash-sale/shared/platform/process/command-line.ts';
import { StartFailure } from '../services/start-failure.ts';
import { temporaryFolder } from '../services/temporary-folder.ts';
import { queriesOf, readDashboards } from './dashboards.ts';
import { findPrometheus } from './prometheus-programs.ts';

await readCommandLine({
  usage: 'npm run alerts:check',
  summary: 'Checks the configuration of Prometheus, the alerts and their tests with promtool.',
});

const FOLDER = join(import.meta.dirname, '../../monitoring/prometheus');
const filesIn = (folder: string): string[] => readdirSync(join(FOLDER, folder)).map((file) => join(folder, file));

const folder = temporaryFolder('alerts');
try {
  const { promtool } = await findPrometheus(folder.path, console.log);
  const check = (...args: string[]): void => {
    const { status, stdout, stderr } = spawnSync(promtool, args, { cwd: FOLDER, encoding: 'utf8' });
    console.log(`promtool ${args.join(' ')}: ${status === 0 ? 'ok' : 'FAILED'}`);
    if (status === 0) return;
    console.log(`${stdout}${stderr}`);
    process.exitCode = 1;
  };
  const asRules = join(folder.path, 'dashboards.yml');
  writeFileSync(asRules, rulesOf(queriesOf(readDashboards(), '20s').map(({ expr }) => expr)));

  check('check', 'config', 'prometheus.yml', 'local.yml');
  check('check', 'rules', ...filesIn('rules'));
  check('check', 'rules', asRules);
  check('test', 'rules', ...filesIn('tests'));
} catch (error) {
  if (!(error instanceof StartFailure)) throw error;
  console.log(`NOT CHECKED: ${error.message}`);
} finally {
  await folder.close();
}

/** A rules file that records these queries, since promtool can parse that. JSON is valid YAML. */
function rulesOf(queries: readonly string[]): string {
  const rules = queries.map((expr, i) => ({ record: `query_${i}`, expr }));
  return JSON.stringify({ groups: [{ name: 'dashboards', rules }] });
}
