import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { COMMANDS } from '../../src/ops/commands.ts';

const ROOT = new URL('../../../', import.meta.url);
const RULES = new URL('infra/prometheus/rules/', ROOT);

const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

test('each alert has a section of the runbook, and each section of alerts an alert', () => {
  const rules = readdirSync(RULES).filter((name) => name.endsWith('.yml'));
  const alerts = rules.flatMap((name) => [...read(`infra/prometheus/rules/${name}`).matchAll(/- alert: (\w+)/g)]);
  const [, sections] = read('docs/runbook.md').split('\n## Alerts\n');
  const names = [...sections!.matchAll(/^### (\w+)$/gm)].map(([, name]) => name);
  expect(new Set(names)).toEqual(new Set(alerts.map(([, name]) => name)));
});

test.each(['docs/runbook.md', 'docs/operations.md', 'README.md'])('%s names only commands that exist', (path) => {
  // Without its line breaks: a command may begin at the end of a line.
  const page = read(path).replaceAll(/\s+/g, ' ');
  const typed = [...page.matchAll(/npm run (?:--silent )?ops -- ([a-z][\w-]*)((?: [A-Z_]+)*)/g)];
  expect(typed.length).toBeGreaterThan(0);
  for (const [text, name, args] of typed) {
    const command = COMMANDS.find((one) => one.name === name);
    expect([text, args!.split(' ').filter((arg) => arg !== '').length]).toEqual([text, command?.args.length]);
  }
});
