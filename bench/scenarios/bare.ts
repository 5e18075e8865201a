import { closedLoop } from '../load/closed-loop.ts';
import { post } from '../load/request.ts';
import { cpuUs } from '../stage/cpu.ts';
import { newShoppers } from './sale.ts';
import { assertExpected, CONNECTIONS, type Scenario } from './scenario.ts';

/** The form and the length of a seckill token. */
const TOKEN = `00000000.1.00000000.${'a'.repeat(12)}.${'a'.repeat(43)}`;

/** A repetition has several runs of it, each with this share of the reads. */
const SHARE = 0.25;

/** The maximum of one api process, called like `accept`: with another body for every request. */
export const bare: Scenario = {
  name: 'bare',
  async run({ stage, size }) {
    const amount = Math.ceil(size.reads * SHARE);
    const requests = newShoppers(amount).map((userId) =>
      post('/api/v1/seckill/buy', { user_id: userId, product_id: 17, token: TOKEN }),
    );
    let bodies = 0;
    const onBody = (): void => void (bodies += 1);
    const beforeUs = cpuUs(stage.pids.bare) ?? Number.NaN;
    const { perSecond, unexpected } = await closedLoop({
      urls: [stage.bare],
      connections: CONNECTIONS,
      requests,
      amount,
      expected: 202,
      onBody,
    });
    assertExpected('bare', unexpected, amount);
    const usedUs = (cpuUs(stage.pids.bare) ?? Number.NaN) - beforeUs;
    return { 'bare.per_second': perSecond, 'bare.us_per_request': usedUs / amount };
  },
};
