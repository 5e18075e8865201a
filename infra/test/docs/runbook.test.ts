import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const ROOT = new URL('../../../', import.meta.url);
const RULES = new URL('infra/monitoring/prometheus/rules/', ROOT);

const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

test('each alert has a section of the runbook, and each section of alerts an alert', () => {
  const rules = readdirSync(RULES).filter((name) => name.endsWith('.yml'));
  const alerts = rules.flatMap((name) => [
    ...read(`infra/monitoring/prometheus/rules/${name}`).matchAll(/- alert: (\w+)/g),
  ]);
  const [, sections] = read('docs/runbook.md').split('\n## Alerts\n');
  const names = [...sections!.matchAll(/^### (\w+)$/gm)].map(([, name]) => name);
  expect(new Set(names)).toEqual(new Set(alerts.map(([, name]) => name)));
});
