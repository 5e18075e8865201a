import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { NOT_CAUSED } from '../../src/monitoring/causes.ts';
import { valuesOf } from '../../src/monitoring/recorded-tests.ts';
import { readAlerts, secondsOf, selectorsOf } from '../../src/monitoring/rules.ts';

const RECORDED = join(import.meta.dirname, '../../monitoring/prometheus/tests/recorded.yml');

test('each alert was made to fire for real, and its unit test has the series of then; or it is said why not', () => {
  const { tests } = parse(readFileSync(RECORDED, 'utf8')) as { tests: { name: string }[] };
  const recorded = tests.map(({ name }) => name.split(',')[0]!);
  const alerts = readAlerts().map(({ alert }) => alert);
  expect(new Set([...recorded, ...Object.keys(NOT_CAUSED)])).toEqual(new Set(alerts));
});

test('what an alert reads is found in its expression', () => {
  const expr = `max by (shard) (seckill_shard_jobs{state=~"a|b"}) > 0 and on (shard) sum(increase(seckill_jobs_failed_total[2m])) > 0 or up == 0`;
  expect(selectorsOf(expr)).toEqual(['seckill_shard_jobs{state=~"a|b"}', 'seckill_jobs_failed_total', 'up']);
  expect(secondsOf({ alert: 'A', expr, for: '90s', labels: {} })).toBe(210);
});

test('a series is written in the steps of its scrapes, and is stale after its end', () => {
  const at = (...times: number[]) => times.map((time) => [time, '1'] as const);
  // Between two steps, and late by a moment: never rounded up once and down the next time.
  expect(valuesOf({ metric: {}, values: at(102.49, 107.51, 112.48) }, 100, 3)).toBe('1x2');
  expect(valuesOf({ metric: {}, values: at(110, 115, 130) }, 100, 6)).toBe('_x2 1x1 stale _ 1');
  expect(valuesOf({ metric: {}, values: at(100, 105) }, 100, 5)).toBe('1x1 stale _x2');
});
