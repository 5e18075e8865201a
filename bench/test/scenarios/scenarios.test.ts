import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Figures } from '../../scenarios/scenario.ts';
import { SCENARIOS } from '../../scenarios/table.ts';
import { startStage, type Stage } from '../../stage/stage.ts';
import { temporaryFolder } from '../../stage/temporary-folder.ts';

const SIZE = { buys: 300, reads: 600, usualBuys: 100, journeyShoppers: 100, openLoopS: 1 };
const folder = temporaryFolder('bench-test');
let stage: Stage | undefined;

beforeAll(async () => {
  stage = await startStage({ dataDir: folder.path });
}, 90_000);
afterAll(async () => {
  await stage?.close();
  await folder.close();
}, 60_000);

test('every scenario runs, passes its audit, and measures what the targets are about', async () => {
  const figures: Figures = {};
  for (const { run } of SCENARIOS) {
    Object.assign(figures, await run({ stage: stage!, size: SIZE, figures, usualConcurrency: 8 }));
  }
  expect(Object.keys(figures)).toEqual(
    expect.arrayContaining([
      'bare.per_second',
      'accept.per_second',
      'accept_jwt.per_second',
      'accept_two.per_second',
      'sold_out.per_second',
      'drain.per_second',
      'raw_insert.per_second',
      'end_to_end.per_second',
      'half_load_buy.p99_ms',
      'half_load_row.p99_ms',
      'journey.shoppers_per_second',
      'journey.service_us_per_shopper',
      'tokens.per_second',
      'room.joins_per_second',
      'room.places_per_second',
      'room.redis_bytes_per_shopper',
      'tokens.api_us_per_token',
      'poll.per_second',
      'products.per_second',
      'usual_accept.per_second',
      'usual_end_to_end.per_second',
    ]),
  );
  expect(Object.entries(figures).filter(([, value]) => !(value >= 0))).toEqual([]);
}, 120_000);
