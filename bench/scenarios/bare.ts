import { closedLoop } from '../load/closed-loop.ts';
import { post } from '../load/request.ts';
import { cpu_us } from '../stage/cpu.ts';
import { newShoppers } from './sale.ts';
import { assertExpected, CONNECTIONS, type Scenario } from './scenario.ts';

/** The form and the length of a seckill token. */
const TOKEN = `00000000.1.00000000.${'a'.repeat(12)}.${'a'.repeat(43)}`;

/** The maximum of one api process, called like `accept`: with another body for every request. */
export const bare: Scenario = {
  name: 'bare',
  async run({ stage, size }) {
    const requests = newShoppers(size.buys).map((user_id) =>
      post('/api/v1/seckill/buy', { user_id, product_id: 17, token: TOKEN }),
    );
    let bodies = 0;
    const onBody = (): void => void (bodies += 1);
    const before_us = cpu_us(stage.pids.bare) ?? Number.NaN;
    const { per_second, unexpected } = await closedLoop({
      urls: [stage.bare],
      connections: CONNECTIONS,
      requests,
      amount: size.reads,
      expected: 202,
      onBody,
    });
    assertExpected('bare', unexpected, size.reads);
    const used_us = (cpu_us(stage.pids.bare) ?? Number.NaN) - before_us;
    return { 'bare.per_second': per_second, 'bare.us_per_request': used_us / size.reads };
  },
};
