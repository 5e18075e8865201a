import { closedLoop } from '../load/closed-loop.ts';
import { latencyFigures } from '../load/statistics.ts';
import { audit, soldOf, untilSold } from './audit.ts';
import { perEach, spent } from './costs.ts';
import { bearers, newShoppers, openSale, orderNoOf, planBuys, type HeadersOf, type Sale } from './sale.ts';
import { assertExpected, CONNECTIONS, type Figures, type RunContext, type Scenario } from './scenario.ts';
import { insertRaw } from './raw-insert.ts';

/** Buys in one sale with units for all, without a worker. */
async function buyAll({ stage, size }: RunContext, urls: readonly string[], headersOf?: HeadersOf) {
  const sale = await openSale(stage.api, stage.operatorToken, size.buys + 10);
  const requests = await planBuys(urls[0]!, sale, newShoppers(size.buys), headersOf);
  const accepted: string[] = [];
  const before = await spent(stage);
  const result = await closedLoop({
    urls,
    connections: CONNECTIONS,
    requests,
    expected: 202,
    onBody: (body) => {
      const orderNo = orderNoOf(body);
      if (orderNo !== undefined) accepted.push(orderNo);
    },
  });
  const costs = perEach(before, await spent(stage), size.buys, 'buy');
  assertExpected('buys', result.unexpected, size.buys);
  return { sale, accepted, costs, ...result };
}

/**
 * Starts the worker on a prepared backlog and waits until all of it is written: orders per second
 * from the first commit.
 */
async function drain({ stage }: RunContext, sale: Sale, count: number): Promise<Figures> {
  const before = await spent(stage);
  const started = stage.worker.start();
  await untilSold(stage, sale, 1);
  const [fromMs, written] = [performance.now(), await soldOf(stage, sale)];
  await untilSold(stage, sale, count);
  const tookMs = performance.now() - fromMs;
  await started;
  const after = await spent(stage);
  return {
    'drain.per_second': ((count - written) * 1_000) / tookMs,
    ...prefixed('drain', perEach(before, after, count, 'order')),
  };
}

export const prefixed = (name: string, figures: Figures): Figures =>
  Object.fromEntries(Object.entries(figures).map(([key, value]) => [`${name}.${key}`, value]));

/**
 * `accept` and `drain`: one api process accepts buys, then the worker alone writes them, compared
 * with a raw INSERT of the same rows.
 */
export const accept: Scenario = {
  name: 'accept, drain',
  async run(context) {
    const { stage } = context;
    const { sale, accepted, perSecond, latenciesMs, costs } = await buyAll(context, [stage.api]);
    try {
      const drained = await drain(context, sale, accepted.length);
      await audit(stage, sale, accepted);
      await stage.worker.stop();
      return {
        'accept.per_second': perSecond,
        ...prefixed('accept', latencyFigures(latenciesMs)),
        ...prefixed('accept', costs),
        ...drained,
        'raw_insert.per_second': await insertRaw(stage.sql, sale),
      };
    } finally {
      await stage.worker.stop();
    }
  },
};

/** A variant of `accept` that measures only the rate. */
function acceptVariant(name: string, urlsOf: (context: RunContext) => string[], isJwt: boolean): Scenario {
  return {
    name,
    async run(context) {
      const { stage } = context;
      const headersOf = isJwt ? bearers(stage.jwtSecret) : undefined;
      const { sale, accepted, perSecond } = await buyAll(context, urlsOf(context), headersOf);
      try {
        await stage.worker.start();
        await audit(stage, sale, accepted);
      } finally {
        await stage.worker.stop();
      }
      return { [`${name}.per_second`]: perSecond };
    },
  };
}

/** Access tokens (HS256). Each is verified once, when its shopper gets the seckill token. */
export const acceptJwt = acceptVariant('accept_jwt', ({ stage }) => [stage.apiJwt], true);
export const acceptTwo = acceptVariant('accept_two', ({ stage }) => [stage.api, stage.api2], false);
