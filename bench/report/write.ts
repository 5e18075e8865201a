import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { capacityOf } from './capacity.ts';
import { latencyChart, throughputChart } from './charts.ts';
import { growthCharts, growthPart, memoryPart, readGrowth } from './growth.ts';
import { handWritten, replaceMarked } from './marked-part.ts';
import { capacityPart, GAINS, performancePage } from './page.ts';
import { readmePart, READMES } from './readme.ts';
import type { ResultsJson } from './results.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** The output folder of a run: the project itself, or a folder with the same structure. */
const outputFolder = (out: string | undefined): string => (out === undefined ? ROOT : out);

/** Writes a result file. Returns its name. */
export function writeResults(out: string | undefined, kind: string, date: string, results: object): string {
  const file = `${date.slice(0, 16).replace(':', '')}-${kind}.json`;
  write(join(outputFolder(out), 'bench', 'results', file), `${JSON.stringify(results, undefined, 2)}\n`);
  return file;
}

/**
 * Writes the page, its charts, and the parts of other pages that quote the figures. Returns what
 * was written.
 */
export function writeReport(out: string | undefined, results: ResultsJson, file: string): string[] {
  const folder = outputFolder(out);
  const page = join(folder, 'docs', 'performance.md');
  const charts = join(folder, 'docs', 'performance');
  const growthFile = newestGrowth(join(folder, 'bench', 'results'));
  const growth = growthFile === undefined ? undefined : readGrowth(growthFile);
  const files: Record<string, string> = {
    [page]: performancePage(results, {
      gains: handWritten(read(page), GAINS) ?? 'None yet.',
      growth: growth === undefined ? '' : growthPart(growth),
      file,
    }),
    [join(charts, 'throughput.svg')]: throughputChart(results),
    [join(charts, 'latency.svg')]: latencyChart(results),
  };
  for (const [name, chart] of Object.entries(growth === undefined ? {} : growthCharts(growth))) {
    files[join(charts, name)] = chart;
  }
  const capacity = capacityOf(results);
  const quoted: [string, string, string | undefined][] = [
    [READMES.en, 'performance', readmePart(results, 'en')],
    [READMES.zh, 'performance', readmePart(results, 'zh')],
    [join('docs', 'scaling.md'), 'capacity', capacity && capacityPart(results, capacity)],
    [join('docs', 'operations.md'), 'memory', growth && memoryPart(growth)],
  ];
  for (const [name, mark, part] of quoted) {
    const path = join(folder, name);
    const text = part && replaceMarked(read(path), mark, part);
    if (text !== undefined && text !== '') files[path] = text;
  }
  for (const [path, text] of Object.entries(files)) write(path, text);
  return Object.keys(files);
}

function newestGrowth(folder: string): string | undefined {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  const newest = names
    .filter((name) => name.endsWith('-growth.json'))
    .toSorted()
    .at(-1);
  return newest && join(folder, newest);
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const read = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');
