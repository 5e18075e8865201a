import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { metricRows } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { queriesOf, readDashboards, type Panel } from '../../src/monitoring/dashboards.ts';
import { metricsOf } from './expression-metrics.ts';

const INFRA = join(import.meta.dirname, '../..');
const read = (path: string): string => readFileSync(join(INFRA, path), 'utf8');
const PAGE = read('../docs/metrics.md');

/**
 * Every name that may stand in a query: those of the page, and what Prometheus makes of a
 * histogram.
 */
const KNOWN = new Set([
  // Prometheus's own.
  'up',
  ...Object.values(await metricRows())
    .flat()
    .flatMap(({ name, type }) =>
      type === 'histogram' ? ['_bucket', '_sum', '_count'].map((part) => `${name}${part}`) : [name],
    ),
]);

const unknownIn = (expr: string): string[] => metricsOf(expr).filter((name) => !KNOWN.has(name));

describe('the page of metrics', () => {
  it('has a row for every metric', async () => {
    for (const { name } of Object.values(await metricRows()).flat()) expect(PAGE).toContain(`| \`${name}\` |`);
  });
});

describe('the metrics of an expression', () => {
  it('are found, without functions, labels and words of the language', () => {
    const expr = `histogram_quantile(0.99, sum by (le, route) (rate(a_bucket{route="b"}[1m]))) > 1
      unless on (shard) max by (shard) (c{state=~"d|e"}) / (f > 0) or absent(up{job="g"})`;
    expect(metricsOf(expr)).toEqual(['a_bucket', 'c', 'f', 'up']);
  });
});

describe.each(readDashboards())('dashboard $file', (dashboard) => {
  const { panels, templating, uid, title } = dashboard;

  it('has a unique uid and title', () => {
    const all = readDashboards();
    expect(all.filter((other) => other.uid === uid)).toHaveLength(1);
    expect(all.filter((other) => other.title === title)).toHaveLength(1);
  });

  it('has panels with unique ids that do not overlap', () => {
    const ids = panels.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const one of panels) {
      expect(one.gridPos.x + one.gridPos.w).toBeLessThanOrEqual(24);
      expect(panels.filter((other) => other !== one && overlap(one, other)).map((other) => other.title)).toEqual([]);
    }
  });

  it('gives every panel a unit', () => {
    const units = panels.filter(({ type }) => type !== 'row').map((panel) => panel.fieldConfig?.defaults.unit);
    expect(units).not.toContain(undefined);
  });

  it('asks only for metrics that exist', () => {
    const queries = queriesOf([dashboard], '20s');
    expect(queries.length).toBeGreaterThan(10);
    for (const { expr } of queries) {
      expect(metricsOf(expr).length).toBeGreaterThan(0);
      expect(unknownIn(expr)).toEqual([]);
      expect(expr).not.toMatch(/\$|vector\(/);
    }
  });

  it('has variables over metrics that exist', () => {
    for (const { definition } of templating.list) {
      const [, metric] = /^label_values\(([a-z_]+)/.exec(definition)!;
      expect(unknownIn(metric!)).toEqual([]);
    }
  });
});

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

describe('alerts', () => {
  const files = readdirSync(join(INFRA, 'monitoring/prometheus/rules')).map((file) =>
    read(`monitoring/prometheus/rules/${file}`),
  );
  const tests = read('monitoring/prometheus/tests/alerts.yml');
  const alerts = files
    .flatMap((text) => text.split(/^ +- alert: /m).slice(1))
    .map((text) => ({
      name: /^\w+/.exec(text)![0],
      text,
      // One line, or those that are folded under it.
      expr: /^ +expr: (?:>-\n)?([^]*?)\n +(?:for|labels):/m.exec(text)![1]!,
    }));

  it.each(alerts)('$name asks only for metrics that exist', ({ expr }) => {
    expect(metricsOf(expr).length).toBeGreaterThan(0);
    expect(unknownIn(expr)).toEqual([]);
  });

  it.each(alerts)('$name says how bad it is, what it is, and where to read on', ({ name, text }) => {
    expect(text).toMatch(/severity: (critical|warning) /);
    expect(text).toMatch(/summary: '.+'/);
    expect(text).toContain(`runbook_url: docs/runbook.md#${name.toLowerCase()}\n`);
  });

  it.each(alerts)('$name is tested to fire, and not to fire', ({ name }) => {
    expect(tests).toContain(`{ alertname: ${name}, eval_time: `);
    expect(tests).toMatch(new RegExp(`- alertname: ${name}\\n +eval_time: \\w+\\n +exp_alerts:\\n +- exp_labels`));
  });
});

describe('Prometheus', () => {
  it('scrapes the same jobs on this machine as among containers', () => {
    const jobsOf = (file: string) => [...read(file).matchAll(/job_name: (\w+)/g)].map(([, job]) => job);
    expect(jobsOf('monitoring/prometheus/prometheus.yml')).toEqual(['api', 'worker']);
    expect(jobsOf('monitoring/prometheus/local.yml')).toEqual(['api', 'worker']);
  });
});

describe('Grafana', () => {
  it('knows the data source that the dashboards name', () => {
    expect(read('monitoring/grafana/provisioning/datasources/prometheus.yml')).toContain('uid: prometheus');
    for (const { file } of readDashboards()) {
      const uids = [
        ...read(`monitoring/grafana/dashboards/${file}`).matchAll(/"type": "prometheus",\s+"uid": "(\w+)"/g),
      ];
      expect(new Set(uids.map(([, name]) => name))).toEqual(new Set(['prometheus']));
    }
  });
});
