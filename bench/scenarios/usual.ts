import { setTimeout as pause } from 'node:timers/promises';
import type { RowDataPacket } from 'mysql2';
import { closedLoop } from '../load/closed-loop.ts';
import type { Stage } from '../stage/stage.ts';
import { newShoppers, openSale, orderNoOf, planBuys, type Sale } from './sale.ts';
import { assertExpected, Broken, CONNECTIONS, type Figures, type Scenario } from './scenario.ts';

const LOOK_MS = 10;
const WRITTEN_MS_MAX = 120_000;

/**
 * Buys at the service built the usual way, with the results: accepted per second, and written with
 * nothing left over.
 */
async function sellUsual(stage: Stage, count: number, begin: () => Promise<unknown>) {
  const sale = await openSale(stage.usual, stage.operatorToken, count);
  const requests = await planBuys(stage.usual, sale, newShoppers(count));
  const accepted = new Set<string>();
  await begin();
  const result = await closedLoop({
    urls: [stage.usual],
    connections: CONNECTIONS,
    requests,
    expected: 202,
    onBody: (body) => {
      const orderNo = orderNoOf(body);
      if (orderNo !== undefined) accepted.add(orderNo);
    },
  });
  assertExpected('buys of usual', result.unexpected, count);
  return { sale, accepted, begunMs: result.begunMs, perSecond: result.perSecond };
}

async function untilWritten(stage: Stage, sale: Sale, accepted: ReadonlySet<string>): Promise<void> {
  const untilMs = performance.now() + WRITTEN_MS_MAX;
  const sold = async (): Promise<number> => {
    const [rows] = await stage.usualSql.query<RowDataPacket[]>('SELECT sold FROM products WHERE id = ?', [sale.id]);
    return Number(rows[0]!['sold']);
  };
  while ((await sold()) < accepted.size) {
    if (performance.now() > untilMs) throw new Broken(['usual did not write its orders']);
    await pause(LOOK_MS);
  }
}

async function auditUsual(stage: Stage, sale: Sale, accepted: ReadonlySet<string>): Promise<void> {
  const [rows] = await stage.usualSql.query<RowDataPacket[]>('SELECT order_no FROM orders WHERE product_id = ?', [
    sale.id,
  ]);
  const lost = rows.length - accepted.size + rows.filter((row) => !accepted.has(String(row['order_no']))).length;
  if (lost !== 0) throw new Broken([`usual has ${rows.length} orders for ${accepted.size} accepted buys`]);
}

/** Accepts without a worker, then writes while everything runs, with its worker at one setting. */
export async function sellAndWriteUsual(stage: Stage, count: number, concurrency: number): Promise<number> {
  const worker = stage.usualWorker(concurrency);
  try {
    const { sale, accepted, begunMs } = await sellUsual(stage, count, () => worker.start());
    await untilWritten(stage, sale, accepted);
    const tookMs = performance.now() - begunMs;
    await auditUsual(stage, sale, accepted);
    return (accepted.size * 1_000) / tookMs;
  } finally {
    await worker.stop();
  }
}

export const usual: Scenario = {
  name: 'usual',
  async run({ stage, size, usualConcurrency }): Promise<Figures> {
    const worker = stage.usualWorker(usualConcurrency);
    const { sale, accepted, perSecond } = await sellUsual(stage, size.usualBuys, () => Promise.resolve());
    try {
      await worker.start();
      await untilWritten(stage, sale, accepted);
      await auditUsual(stage, sale, accepted);
    } finally {
      await worker.stop();
    }
    return {
      'usual_accept.per_second': perSecond,
      'usual_end_to_end.per_second': await sellAndWriteUsual(stage, size.usualBuys, usualConcurrency),
    };
  },
};
