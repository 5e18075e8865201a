import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { capacityOf } from '../../report/capacity.ts';
import { latencyChart, throughputChart } from '../../report/charts.ts';
import { growthTable } from '../../report/growth.ts';
import { handWritten, replaceMarked } from '../../report/marked-part.ts';
import { performancePage, summary, verdicts } from '../../report/page.ts';
import { readmePart, READMES, targetName, type Language } from '../../report/readme.ts';
import { compare, figure, ratio, readResults, type ResultsJson } from '../../report/results.ts';

const FIGURES = {
  'journey.shoppers_per_second': 7_000,
  'journey.service_us_per_shopper': 150,
  'bare.per_second': 40_000,
  'bare.us_per_request': 25,
  'tokens.per_second': 30_000,
  'room.joins_per_second': 30_000,
  'tokens.api_us_per_token': 35,
  'accept.per_second': 24_000,
  'accept.api_us_per_buy': 40,
  'accept.redis_us_per_buy': 10,
  'accept.client_us_per_buy': 20,
  'sold_out.per_second': 28_000,
  'sold_out.api_us_per_refusal': 30,
  'end_to_end.per_second': 15_000,
  'end_to_end.redis_us_per_order': 25,
  'end_to_end.worker_us_per_order': 30,
  'end_to_end.mysql_us_per_order': 20,
  'usual_end_to_end.per_second': 2_000,
  'accept_two.per_second': 26_000,
  'half_load_buy.p99_ms': 12,
  'half_load_row.p99_ms': 300,
};

/**
 * Results of several repetitions, each `factor` times as fast: a machine that is slower for a
 * while.
 */
function results(factors: readonly number[], changes: Record<string, number> = {}): ResultsJson {
  return {
    format: 1,
    date: '2026-11-23T12:00:00.000Z',
    mode: 'full',
    took_s: 500,
    commit: 'abc1234',
    machine: {
      cpu: 'a CPU',
      cores: 2,
      memory_gb: 8,
      system: 'Linux 6',
      versions: { node: '24.21.0', redis: '7.0.15' },
      load_before: 0,
    },
    settings: { NODE_ENV: 'production' },
    usual: { concurrency: 32, tried: { 8: 1_000, 32: 2_000 } },
    repetitions: factors.map((factor) =>
      Object.fromEntries(
        Object.entries({ ...FIGURES, ...changes }).map(([name, value]) => [
          name,
          name.endsWith('per_second') ? value * factor : value,
        ]),
      ),
    ),
    broken: [],
  };
}

describe('ratios', () => {
  test('are taken within a repetition, so that a machine that is busy for a while changes none', () => {
    const measured = results([1, 0.5, 0.8]);
    expect(figure(measured, 'accept.per_second')).toEqual({ median: 19_200, min: 12_000, max: 24_000 });
    const share = ratio(measured, { of: 'accept.per_second', to: 'bare.per_second' })!;
    expect(share.min).toBeCloseTo(0.6);
    expect(share.max).toBeCloseTo(0.6);
  });

  test('are missing, not zero, if no repetition has them', () => {
    expect(ratio(results([1]), { of: 'poll.per_second', to: 'bare.per_second' })).toBeUndefined();
  });
});

describe('comparing two runs', () => {
  test('finds nothing if a machine is half as fast in everything', () => {
    expect(compare(results([1]), results([0.5]), 10).filter(({ isWorse }) => isWorse)).toEqual([]);
  });

  test('finds the ratio that fell by more than the tolerance, and no other', () => {
    const slower = results([1], { 'sold_out.per_second': 24_000 });
    const worse = compare(results([1]), slower, 10).filter(({ isWorse }) => isWorse);
    expect(worse.map(({ what }) => what)).toEqual(['refused when sold out, of bare']);
    expect(compare(results([1]), slower, 20).filter(({ isWorse }) => isWorse)).toEqual([]);
  });

  test('finds the cost that rose, and not the one that fell', () => {
    const changed = results([1], { 'accept.api_us_per_buy': 30, 'sold_out.api_us_per_refusal': 40 });
    const worse = compare(results([1]), changed, 10).filter(({ isWorse }) => isWorse);
    expect(worse.map(({ what }) => what)).toEqual(['api CPU of a refusal, of a bare request']);
  });
});

describe('the report', () => {
  test('says of each target whether it was reached, and what was not measured counts as missed', () => {
    const reached = Object.fromEntries(verdicts(results([1])).map(({ what, isReached }) => [what, isReached]));
    expect(reached).toMatchObject({
      'accepted, of bare': true,
      'refused when sold out, of bare': false,
      'accepted and written, times usual': false,
      'written, of raw INSERT': false,
      'whole journeys': true,
      'api CPU of a buy, of a bare request': false,
      'api CPU of a refusal, of a bare request': true,
      '202 to row at the same rate, p99': false,
    });
  });

  test('keeps the part that is written by hand', () => {
    const parts = { gains: '| Gain | Before | After |', growth: '', file: 'x.json' };
    const page = performancePage(results([1]), parts);
    expect(page).toContain('24,000');
    expect(handWritten(page, 'gains')).toBe(parts.gains);
    expect(summary(results([1]))).toMatch(/accept\.per_second +24,000/);
  });

  test('says how much of the machine other programs took, if that is known', () => {
    const parts = { gains: '', growth: '', file: 'x.json' };
    expect(performancePage(results([1]), parts)).not.toContain('Other programs');
    const page = performancePage(results([1], { 'others.cores': 0.25 }), parts);
    expect(page).toContain('Other programs kept 0.25 cores busy meanwhile (0.25 – 0.25 in a repetition).');
  });

  test('names scenarios whose audit failed', () => {
    const broken = { ...results([1]), broken: [{ scenario: 'accept', finding: '3 accepted orders are lost' }] };
    expect(performancePage(broken, { gains: '', growth: '', file: 'x.json' })).toContain('3 accepted orders are lost');
    expect(summary(broken)).toContain('NOT REPORTED, accept: 3 accepted orders are lost');
  });

  test('replaces a marked part of another page and nothing else', () => {
    const page =
      'before\n<!-- performance: written by npm run bench -->\nstale figures\n<!-- end of performance -->\nafter\n';
    const written = replaceMarked(page, 'performance', readmePart(results([1]), 'en')!)!;
    expect(written).toMatch(/^before\n/);
    expect(written).toMatch(/\nafter\n$/);
    expect(written).toContain('**24,000 buys/s**');
    expect(written).not.toContain('stale figures');
    expect(replaceMarked('no markers', 'performance', 'x')).toBeUndefined();
  });

  test.each(['en', 'zh'] as const)('writes nothing of a run that was cut short into a README (%s)', (language) => {
    expect(readmePart({ ...results([1]), repetitions: [{ 'accept.per_second': 1 }] }, language)).toBeUndefined();
  });

  test('says in the README which targets are missed, and that the row comes after the answer', () => {
    const part = readmePart(results([1]), 'en')!;
    expect(part).toContain('**24,000 buys/s**: 60 % of the throughput of an empty Fastify route.');
    expect(part).toContain('After the\n  answer, 99 % of the orders are in MySQL within another **300 ms**');
    expect(part).toContain('The service misses 6 of 14 targets:');
    expect(part).toContain('share of an empty Fastify route | ≥ 80 % | 70 % | **missed** |');
    expect(part).toContain('multiple of the usual design | ≥ 9 × | 7.50 × | **missed** |');
    expect(part).toContain('share of plain INSERT statements | ≥ 60 % | not measured | **missed** |');
    expect(part).toContain('at that rate, p99 | ≤ 250 ms | 300 ms | **missed** |');
    expect(part).toContain('from seckill token to settled order | ≥ 6,000/s | 7,000/s | reached |');
    expect(part).toContain(
      'api CPU time of a buy, multiple of an empty Fastify route | ≤ 1.40 × | 1.60 × | **missed** |',
    );
  });

  test('draws charts that stand alone', () => {
    for (const chart of [throughputChart(results([1])), latencyChart(results([1]))]) {
      expect(chart).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    }
    expect(throughputChart(results([1]))).toContain('24,000');
  });
});

describe.each(Object.entries(READMES) as [Language, string][])('the README in %s', (language, page) => {
  const root = join(import.meta.dirname, '..', '..', '..');
  const read = (path: string): string => readFileSync(join(root, path), 'utf8');

  test('names every target in words that need no glossary', () => {
    const named = verdicts(results([1])).map(({ what }) => [what, targetName(what, language)] as const);
    expect(named.filter(([what, name]) => name === what)).toEqual([]);
  });

  test('quotes the run that docs/performance.md describes', () => {
    const [, file] = /bench\/results\/(\S+-full\.json)\)/.exec(read('docs/performance.md'))!;
    const part = readmePart(readResults(join(root, 'bench', 'results', file!)), language)!;
    expect(replaceMarked(read(page), 'performance', part)).toBe(read(page));
  });
});

test('the capacity model uses the scarcest resource: here the cores that load, api and Redis share', () => {
  const capacity = capacityOf(results([1]))!;
  expect(capacity.hotSalePerSecond).toBe(40_000);
  expect(capacity.predictedTwoPerSecond).toBeCloseTo(2_000_000 / 70);
  expect(capacityOf({ ...results([1]), repetitions: [] })).toBeUndefined();
});

test('a cost is flat within a fifth of its first', () => {
  const axis = (last: number) => [
    { number: 1, costs: { us: 10 } },
    { number: 1_000, costs: { us: last } },
  ];
  const table = growthTable({ axes: { flat: axis(11.9), grows: axis(12.5), falls: axis(7) } });
  expect(table.map((row) => row.at(-1))).toEqual(['flat', 'grows', 'falls']);
});
