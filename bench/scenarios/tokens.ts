import { closedLoop } from '../load/closed-loop.ts';
import { latencyFigures } from '../load/statistics.ts';
import { prefixed } from './accept.ts';
import { perEach, spent } from './costs.ts';
import { newShoppers, openSale, tokenOf, tokenRequest } from './sale.ts';
import { assertExpected, Broken, CONNECTIONS, type Scenario } from './scenario.ts';

/** The opening of a sale: every shopper asks for a seckill token. */
export const tokens: Scenario = {
  name: 'tokens',
  async run({ stage, size }) {
    const sale = await openSale(stage.api, stage.operatorToken, 10);
    const requests = newShoppers(size.buys).map((userId) => tokenRequest(sale, userId));
    const issued = new Set<string>();
    const before = await spent(stage);
    const result = await closedLoop({
      urls: [stage.api],
      connections: CONNECTIONS,
      requests,
      expected: 200,
      onBody: (body) => void issued.add(tokenOf(body) ?? body),
    });
    const costs = perEach(before, await spent(stage), size.buys, 'token');
    assertExpected('seckill tokens', result.unexpected, size.buys);
    if (issued.size < size.buys - result.unexpected) throw new Broken(['two shoppers got the same seckill token']);
    return {
      'tokens.per_second': result.perSecond,
      ...prefixed('tokens', latencyFigures(result.latenciesMs)),
      ...prefixed('tokens', costs),
    };
  },
};
