import { closedLoop } from '../load/closed-loop.ts';
import { bare } from './bare.ts';
import { untilSold } from './audit.ts';
import { targetOf } from './journeys.ts';
import { bearers, newShoppers, openSale, planBuys } from './sale.ts';
import { CONNECTIONS, type RunContext } from './scenario.ts';
import { journey } from './shopping.ts';

const BUYS = 3_000;

/**
 * Runs every process's code until it is compiled, and fills the servers' caches. Nothing of it is
 * measured.
 */
export async function warmUp(context: RunContext): Promise<void> {
  const { stage } = context;
  await bare.run({ ...context, size: { ...context.size, buys: BUYS, reads: BUYS * 8 } });
  await stage.worker.start();
  try {
    for (const url of [stage.api, stage.api2, stage.apiJwt]) {
      const headersOf = url === stage.apiJwt ? bearers(stage.jwtSecret) : undefined;
      const sale = await openSale(stage.api, stage.operatorToken, BUYS);
      const requests = await planBuys(url, sale, newShoppers(BUYS), headersOf);
      const { unexpected } = await closedLoop({ urls: [url], connections: CONNECTIONS, requests, expected: 202 });
      await untilSold(stage, sale, BUYS - unexpected);
    }
    // V8 compiles what runs often, and only shoppers on a journey poll.
    await journey(targetOf(stage), context.size);
  } finally {
    await stage.worker.stop();
  }
}
