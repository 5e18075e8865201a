import { Counter, Histogram, Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { HotTimes, Polled, Tally } from '../../../src/platform/telemetry/hot-metrics.ts';

const BUCKETS = [0.001, 0.01, 0.1];

/** What a scrape reads of a metric. */
async function textOf(make: (registers: Registry[]) => void): Promise<string> {
  const registry = new Registry();
  registry.setDefaultLabels({ process: 'api' });
  make([registry]);
  return registry.metrics();
}

test('a tally is scraped like the counter of prom-client that it replaces', async () => {
  const options = { name: 'requests_total', help: 'Requests.', labelNames: ['route', 'outcome'] as const };
  const counts: [string, string][] = [
    ['/buy', 'ok'],
    ['/buy', 'sold_out'],
    ['/buy', 'ok'],
    ['/token', 'ok'],
  ];
  const tallied = await textOf((registers) => {
    const tally = new Tally({ ...options, labelNames: ['route', 'outcome'], registers });
    for (const [route, outcome] of counts) tally.add(route, outcome);
  });
  const counted = await textOf((registers) => {
    const counter = new Counter({ ...options, labelNames: ['route', 'outcome'], registers });
    for (const [route, outcome] of counts) counter.inc({ route, outcome });
  });
  expect(tallied).toBe(counted);
  expect(tallied).toContain('requests_total{route="/buy",outcome="ok",process="api"} 2');
});

test('a tally continues after the last scrape', async () => {
  const tally = new Tally({ name: 't', help: 't', labelNames: ['a', 'b'], registers: [] });
  tally.add('x', 'y');
  expect((await tally.get()).values.map(({ value }) => value)).toEqual([1]);
  expect((await tally.get()).values.map(({ value }) => value)).toEqual([1]);
  tally.add('x', 'y');
  expect((await tally.get()).values.map(({ value }) => value)).toEqual([2]);
});

test('a tally exposes its expected labels at zero, so that the first count is an increase', async () => {
  const tally = new Tally({ name: 't', help: 't', labelNames: ['a', 'b'], fromZero: ['bad'], registers: [] });
  tally.add('x', 'good');
  const { values } = await tally.get();
  expect(values.map(({ labels, value }) => [labels.a, labels.b, value])).toEqual([
    ['x', 'bad', 0],
    ['x', 'good', 1],
  ]);
});

test('hot times are scraped like the histogram of prom-client that they replace, bucket bounds included', async () => {
  const seconds = [0, 0.001, 0.0011, 0.01, 0.05, 0.1, 7];
  const hot = await textOf((registers) => {
    const times = new HotTimes({ name: 'took', help: 'Time.', labelNames: ['route'], buckets: BUCKETS, registers });
    for (const one of seconds) times.observe('/buy', one);
  });
  const plain = await textOf((registers) => {
    const times = new Histogram({ name: 'took', help: 'Time.', labelNames: ['route'], buckets: BUCKETS, registers });
    for (const one of seconds) times.observe({ route: '/buy' }, one);
  });
  expect(linesOf(hot)).toEqual(linesOf(plain));
});

/** Lines, and labels within a line, have no order for who scrapes. */
const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.replace(/\{(.*)\}/, (_, labels: string) => `{${labels.split(',').toSorted().join(',')}}`))
    .toSorted();

test('a polled gauge is read at each scrape', async () => {
  const gauge = new Polled({ name: 'waiting', help: 'Waiting.', registers: [] });
  let waiting = 3;
  gauge.ask({}, () => waiting);
  expect((await gauge.get()).values.map(({ value }) => value)).toEqual([3]);
  waiting = 5;
  expect((await gauge.get()).values.map(({ value }) => value)).toEqual([5]);
});
