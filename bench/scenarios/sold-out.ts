import { closedLoop } from '../load/closed-loop.ts';
import { latencyFigures } from '../load/statistics.ts';
import { prefixed } from './accept.ts';
import { audit } from './audit.ts';
import { perEach, spent } from './costs.ts';
import { newShoppers, openSale, planBuys, orderNoOf } from './sale.ts';
import { assertExpected, Broken, CONNECTIONS, type Scenario } from './scenario.ts';

const SHOPPERS = 5_000;
const UNITS = 10;

/** The crowd after the last unit: every shopper has a seckill token and buys again and again. */
export const soldOut: Scenario = {
  name: 'sold_out',
  async run({ stage, size }) {
    const sale = await openSale(stage.api, stage.operatorToken, UNITS);
    const requests = await planBuys(stage.api, sale, newShoppers(SHOPPERS));
    const accepted: string[] = [];
    await closedLoop({
      urls: [stage.api],
      connections: UNITS,
      requests: requests.splice(0, UNITS),
      expected: 202,
      onBody: (body) => accepted.push(orderNoOf(body) ?? ''),
    });
    let refused = 0;
    const before = await spent(stage);
    const { perSecond, unexpected, latenciesMs } = await closedLoop({
      urls: [stage.api],
      connections: CONNECTIONS,
      requests,
      amount: size.reads,
      expected: 409,
      onBody: (body) => void (refused += body.includes('"sold_out"') ? 1 : 0),
    });
    const costs = perEach(before, await spent(stage), size.reads, 'refusal');
    assertExpected('the sold-out sale', unexpected, size.reads);
    if (refused < size.reads - unexpected) throw new Broken([`${size.reads - refused} refusals did not say sold_out`]);
    await stage.worker.start();
    try {
      await audit(stage, sale, accepted);
    } finally {
      await stage.worker.stop();
    }
    return {
      'sold_out.per_second': perSecond,
      ...prefixed('sold_out', latencyFigures(latenciesMs)),
      ...prefixed('sold_out', costs),
    };
  },
};
