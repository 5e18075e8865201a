import { Client } from '../load/client.ts';
import { closedLoop } from '../load/closed-loop.ts';
import { openLoop } from '../load/open-loop.ts';
import { latencyFigures } from '../load/statistics.ts';
import { prefixed } from './accept.ts';
import { audit, untilSold } from './audit.ts';
import { perEach, spent } from './costs.ts';
import { RowWatch } from './row-watch.ts';
import { targetOf } from './journeys.ts';
import { reads } from './shopping.ts';
import { newShoppers, openSale, orderNoOf, planBuys } from './sale.ts';
import { assertExpected, CONNECTIONS, type Figures, type RunContext, type Scenario } from './scenario.ts';

/**
 * The measurements while api and worker both run: one scenario, so that the worker is started once.
 */
export const working: Scenario = {
  name: 'end_to_end, half_load, poll, products',
  async run(context) {
    const { stage } = context;
    await stage.worker.start();
    try {
      const { orders, figures } = await endToEnd(context);
      return {
        ...figures,
        ...(await atHalfRate(context, figures['end_to_end.per_second']!)),
        ...(await reads(targetOf(stage), context.size, orders)),
      };
    } finally {
      await stage.worker.stop();
    }
  },
};

/** Sustained: accepted and in the ledger, with nothing left over. */
async function endToEnd({ stage, size }: RunContext): Promise<{ orders: string[]; figures: Figures }> {
  const sale = await openSale(stage.api, stage.operatorToken, size.buys);
  const requests = await planBuys(stage.api, sale, newShoppers(size.buys));
  const orders: string[] = [];
  const before = await spent(stage);
  const { unexpected, begunMs } = await closedLoop({
    urls: [stage.api],
    connections: CONNECTIONS,
    requests,
    expected: 202,
    onBody: (body) => {
      const orderNo = orderNoOf(body);
      if (orderNo !== undefined) orders.push(orderNo);
    },
  });
  await untilSold(stage, sale, orders.length);
  const tookMs = performance.now() - begunMs;
  const costs = perEach(before, await spent(stage), size.buys, 'order');
  assertExpected('buys', unexpected, size.buys);
  await audit(stage, sale, orders);
  const figures = { 'end_to_end.per_second': (orders.length * 1_000) / tookMs, ...prefixed('end_to_end', costs) };
  return { orders, figures };
}

/**
 * Latency at half of the rate that is sustained end to end in this repetition: of the buys, and
 * from the 202 until the row can be read.
 */
async function atHalfRate({ stage, size }: RunContext, sustainedPerSecond: number): Promise<Figures> {
  const perSecond = Math.floor(sustainedPerSecond / 2);
  const count = perSecond * size.openLoopS;
  const sale = await openSale(stage.api, stage.operatorToken, count);
  const requests = await planBuys(stage.api, sale, newShoppers(count));
  const client = new Client([stage.api], CONNECTIONS);
  const watch = new RowWatch(stage.sql);
  const accepted: string[] = [];
  const result = await openLoop({
    perSecond,
    count,
    send: (index) => client.call(requests[index]!),
    onAnswer: (index, { body }) => {
      const orderNo = orderNoOf(body);
      if (orderNo === undefined) return;
      accepted.push(orderNo);
      watch.answered(index, orderNo);
    },
  });
  await client.close();
  const rowsMs = await watch.finish();
  assertExpected('buys at half rate', count - accepted.length, count);
  await audit(stage, sale, accepted);
  return {
    'half_load.per_second': result.sentPerSecond,
    ...prefixed('half_load_buy', latencyFigures(result.latenciesMs)),
    ...prefixed('half_load_row', latencyFigures(rowsMs)),
  };
}
