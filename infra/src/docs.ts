import { readFileSync, writeFileSync } from 'node:fs';
import { configRows } from '@flash-sale/shared/platform/config/config.ts';
import { ERRORS } from '@flash-sale/shared/platform/errors.ts';
import { flag, readCommandLine } from '@flash-sale/shared/platform/process/command-line.ts';
import { exitProcess } from '@flash-sale/shared/platform/process/exit.ts';
import { metricRows, type MetricRow } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { markdownTable } from './docs/markdown-table.ts';
import { settingsTables } from './docs/settings-tables.ts';

/**
 * Writes the generated parts of the docs: `docs/errors.md`, the tables of `docs/metrics.md` and
 * `docs/configuration.md`, and the types of the shoppers' and the operators' calls. With `--check`
 * it writes nothing and fails if a page is out of date, so CI keeps the pages current.
 */
const ROOT = new URL('../../', import.meta.url);
const {
  values: { check },
} = await readCommandLine({
  usage: 'npm run docs -- [options]',
  summary: 'Writes the generated parts of the docs.',
  options: { check: flag('write nothing; exit code 1 if a page is out of date') },
});
// It loads the whole api.
const { operatorTypes, shopperTypes } = await import('./docs/client-types.ts');

function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(([code, { status, title, advice }]) => [
    `\`${code}\``,
    String(status),
    title,
    advice,
  ]);
  return `# Errors

<!-- Written by \`npm run docs\` from packages/shared/src/platform/errors.ts. -->

Every refusal is \`application/problem+json\` ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)):

\`\`\`json
{ "type": "urn:flash-sale:problem:sold_out", "title": "Sold out", "status": 409, "code": "sold_out", "request_id": "…" }
\`\`\`

\`code\` is stable; \`detail\` is optional text for people. Every 429 and 503 has \`Retry-After\`
(seconds). A refused call has no effect. Only \`unavailable\` means that the outcome is not known:
repeat the call, and it returns the order if there is one.

${markdownTable(['Code', 'Status', 'Title', 'When it happens, and what to do'], rows)}
`;
}

/** Replaces the text between the two markers of a generated part. */
function replacePart(text: string, name: string, part: string): string {
  const begin = `<!-- ${name}: written by npm run docs -->`;
  const end = `<!-- end of ${name} -->`;
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`The markers of "${name}" are missing`);
  return `${before}${begin}\n\n${part}\n\n${end}${after}`;
}

function metricsTable(rows: readonly MetricRow[]): string {
  const labelsOf = (labels: readonly string[]): string => labels.map((label) => `\`${label}\``).join(', ');
  return markdownTable(
    ['Metric', 'Type', 'Labels', 'What it is'],
    rows.map(({ name, type, labels, help }) => [`\`${name}\``, type, labelsOf(labels), help]),
  );
}

/** The page is written by hand, except one table for each group of metrics. */
async function metricsPage(): Promise<string> {
  let page = readFileSync(new URL('docs/metrics.md', ROOT), 'utf8');
  for (const [part, rows] of Object.entries(await metricRows())) page = replacePart(page, part, metricsTable(rows));
  return page;
}

const configuration = readFileSync(new URL('docs/configuration.md', ROOT), 'utf8');
const pages: readonly (readonly [string, string])[] = [
  ['docs/errors.md', errorsPage()],
  ['docs/metrics.md', await metricsPage()],
  ['docs/configuration.md', replacePart(configuration, 'settings', settingsTables(configRows()))],
  ['packages/web/src/client/schema.ts', await shopperTypes()],
  ['packages/web/src/client/operator-schema.ts', await operatorTypes()],
];

const stale = pages.filter(([path, text]) => read(path) !== text);
if (check && stale.length > 0) {
  console.error(`Out of date: ${stale.map(([path]) => path).join(', ')}. Run \`npm run docs\` and commit the result.`);
  await exitProcess(1);
}
for (const [path, text] of stale) {
  writeFileSync(new URL(path, ROOT), text);
  console.log(`wrote ${path}`);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(new URL(path, ROOT), 'utf8');
  } catch {
    return undefined;
  }
}
