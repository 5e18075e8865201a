import { expect, it } from 'vitest';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { createCommands } from '@flash-sale/shared/commands.ts';
import { OutcomeCounts } from '../../src/seckill/outcome-counts.ts';
import { testContext } from '../../testing/support.ts';

const context = await testContext();

it('counts of several processes add up, and a repeated write counts once', async () => {
  const sale = await context.openSale();
  const counts = [0, 1].map(() => new OutcomeCounts(context.commands, context.log));
  for (const one of counts) {
    one.add(sale, 'accepted');
    await one.flush();
    one.add(sale, 'sold_out');
    await Promise.all([one.flush(), one.flush()]);
  }
  expect(await context.commands.outcomes(sale)).toEqual({ accepted: 2, sold_out: 2 });
});

it('counts that Redis missed are written when it is back', async () => {
  const sale = await context.openSale();
  const client = connectRedis(context.config, 'request');
  client.on('error', () => undefined);
  client.disconnect();
  const counts = new OutcomeCounts(createCommands(client, context.keys), context.log);
  counts.add(sale, 'unavailable');
  await counts.flush();
  expect(await context.commands.outcomes(sale)).toEqual({});
  await client.connect();
  await counts.stop();
  client.disconnect();
  expect(await context.commands.outcomes(sale)).toEqual({ unavailable: 1 });
});
