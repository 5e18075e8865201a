import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { liveTokenOf } from '@flash-sale/shared/testing/buying.ts';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { openTestContext, type TestContext } from '../../testing/support.ts';
import { expectPromisesKept, watchConservation } from './promises.ts';
import { batchSizes, startService, type LogLine, type Service, type ServiceProcess } from '../../testing/service.ts';
import { buyPipelined, each, outcomeOf, Shoppers, type Answer } from '../../testing/shoppers.ts';

/** Two api and two worker processes, as an operator starts them, on one port. */
let context: TestContext;
let service: Service;
let shoppers: Shoppers;

beforeAll(async () => {
  context = await openTestContext();
  // The promises hold on a busy machine too. Redis may be slow there.
  service = await startService(context, { apis: 2, workers: 2, env: { REDIS_TIMEOUT_MS: '10000' } });
  shoppers = new Shoppers(service.url);
}, 60_000);

afterAll(async () => {
  // Connections are kept alive, and clients do not close them first: the service ends anyway.
  await service.stop();
  shoppers.close();
  await context.close();
});

const saleOf = (id: number) => ({ id, shard: 0 });

describe('a sale of 100 units and 3,000 shoppers', () => {
  const UNITS = 100;
  const SHOPPERS = 3_000;
  const AT_ONCE = 400;

  it('ends with exactly 100 orders, also with double clicks, and keeps promises 1 to 8', async () => {
    const id = await shoppers.openSale(UNITS);
    const crowd = Array.from({ length: SHOPPERS }, (_, i) => (i % 2 === 0 ? `shopper${i}` : `SHOPPER${i - 1}`));
    const tokens = await each(crowd, 200, (user) => shoppers.token(id, user));

    const watch = watchConservation(context, id);
    const clicks = await each(crowd, AT_ONCE, (user, i) =>
      Promise.all(Array.from({ length: i % 3 === 0 ? 2 : 1 }, () => shoppers.buy(id, user, tokens[i]!))),
    );
    const watched = await watch.stop();

    // Each shopper has one outcome, whichever click asked.
    const promised = new Map<string, string>();
    const losers: string[] = [];
    for (const [i, answers] of clicks.entries()) {
      const user = crowd[i]!;
      const outcomes = answers.map(outcomeOf);
      expect({ user, outcomes }).toEqual({ user, outcomes: answers.map(() => outcomes[0]) });
      for (const answer of answers) {
        if (answer.status === 202) continue;
        expect(answer).toBeProblem('sold_out');
      }
      if (outcomes[0]!.order_no === undefined) losers.push(user);
      else promised.set(outcomes[0]!.order_no, user);
    }
    expect(promised.size).toBe(UNITS);

    // Every 202 ends, and each in exactly one outcome that does not change.
    const ends = await each([...promised.keys()], UNITS, (orderNo) => shoppers.settled(orderNo));
    expect(ends).toEqual(ends.map(() => 'pending_payment'));
    await expectPromisesKept(context, { id, seckill_stock: UNITS, sold: UNITS }, promised);
    expect(watched).toEqual({ reads: expect.any(Number), violations: [] });
    expect(watched.reads).toBeGreaterThan(1);

    // A refusal took nothing: the seckill tokens of losers are unspent.
    const marks = await each(losers, UNITS, async (user) => (await liveTokenOf(context, saleOf(id), user))?.token);
    const tokenOf = new Map(crowd.map((user, i) => [user, tokens[i]]));
    expect(marks).toEqual(losers.map((user) => tokenOf.get(user)));

    // The winners get the same number for ever.
    const again = await each([...promised.values()], UNITS, (user) => shoppers.buy(id, user, tokenOf.get(user)!));
    expect(again.map((answer) => JSON.parse(answer.body) as object)).toEqual(
      [...promised.keys()].map((orderNo) => ({
        order_no: orderNo,
        status: 'pending_payment',
        quantity: 1,
        replayed: true,
      })),
    );
  }, 60_000);
});

describe('a burst', () => {
  it('is admitted in micro-batches of more than ten buys at the median, and ten clicks of one shopper are one buy', async () => {
    const SHOPPERS = 300;
    const CLICKS = 10;
    const CONNECTIONS = 6;
    const id = await shoppers.openSale(SHOPPERS);
    const crowd = Array.from({ length: SHOPPERS }, (_, i) => `clicker${i}`);
    const tokens = await each(crowd, 100, (user) => shoppers.token(id, user));
    const buys = crowd.map((userId, i) => ({ user_id: userId, product_id: id, token: tokens[i]! }));
    // Click by click through the crowd, so that the clicks of one shopper go over different
    // connections and to different processes.
    const clicks = Array.from({ length: CLICKS }, () => buys).flat();
    const shares = Array.from({ length: CONNECTIONS }, (_, share) =>
      clicks.filter((_buy, i) => i % CONNECTIONS === share),
    );

    const before = await Promise.all(service.apis.map(batchSizes));
    const answers = await Promise.all(shares.map((share) => buyPipelined(service.url, share)));
    const after = await Promise.all(service.apis.map(batchSizes));

    const numbers = new Map<string, Set<string>>(crowd.map((user) => [user, new Set()]));
    for (const [i, share] of shares.entries()) {
      for (const [j, { user_id: userId }] of share.entries()) {
        expect(answers[i]![j]!.status).toBe(202);
        numbers.get(userId)!.add(outcomeOf(answers[i]![j]!).order_no!);
      }
    }
    expect([...numbers.values()].map(({ size }) => size)).toEqual(crowd.map(() => 1));
    const promised = new Map([...numbers].map(([user, [orderNo]]) => [orderNo!, user]));
    expect(promised.size).toBe(SHOPPERS);
    const ends = await each([...promised.keys()], 100, (orderNo) => shoppers.settled(orderNo));
    expect(new Set(ends)).toEqual(new Set(['pending_payment']));
    await expectPromisesKept(context, { id, seckill_stock: SHOPPERS, sold: SHOPPERS }, promised);
    expect(medianBatchBound(before, after)).toBeGreaterThan(10);
  }, 60_000);
});

/** The upper bound of the size of the median micro-batch between two readings of the metrics. */
function medianBatchBound(before: Map<number, number>[], after: Map<number, number>[]): number {
  const came = new Map<number, number>();
  for (const [i, sizes] of after.entries()) {
    for (const [bound, count] of sizes) came.set(bound, (came.get(bound) ?? 0) + count - (before[i]!.get(bound) ?? 0));
  }
  let left = [...came.values()].reduce((sum, count) => sum + count, 0) / 2;
  for (const [bound, count] of [...came].toSorted(([a], [b]) => a - b)) {
    left -= count;
    if (left < 0) return bound;
  }
  throw new Error('no micro-batch came');
}

describe('the identity of a shopper', () => {
  it('sells to u1 and U1 as two shoppers, and refuses ids that could be confused with another’s (promise 4)', async () => {
    const id = await shoppers.openSale(10);
    const promised = new Map<string, string>();
    for (const user of ['u1', 'U1']) {
      const { order_no: orderNo } = outcomeOf(await shoppers.buy(id, user, await shoppers.token(id, user)));
      promised.set(orderNo!, user);
    }
    const token = await shoppers.token(id, 'u1');
    const hostile: unknown[] = [
      'u1 ',
      ' u1',
      'ú1',
      'ｕ1',
      'u\u0000',
      'u1\r\n',
      '\ud800',
      'x'.repeat(256),
      '',
      1,
      null,
      ['u1'],
    ];
    for (const userId of hostile) {
      for (const path of ['/api/v1/seckill/token', '/api/v1/seckill/buy']) {
        const body = { user_id: userId, product_id: id, ...(path.endsWith('buy') ? { token } : {}) };
        expect(await shoppers.call('POST', path, body)).toBeProblem('invalid_request');
      }
    }
    for (const orderNo of promised.keys()) expect(await shoppers.settled(orderNo)).toBe('pending_payment');
    await expectPromisesKept(context, { id, seckill_stock: 10, sold: 2 }, promised);
  });
});

describe('a lost reply', () => {
  /** Sends a request and hangs up before anything can come back. */
  function sendAndHangUp(body: object): Promise<void> {
    const payload = JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const socket = connect(Number(service.url.port), service.url.hostname);
      socket.on('error', reject).on('close', () => resolve());
      const head = `POST /api/v1/seckill/buy HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n`;
      socket.write(`${head}content-length: ${Buffer.byteLength(payload)}\r\n\r\n${payload}`, () => socket.destroy());
    });
  }

  it('has no effect: the retry gets the order number, although the last unit is sold and the seckill token has expired (promise 8)', async () => {
    const brief = await startService(context, {
      apis: 1,
      workers: 0,
      env: { TOKEN_TTL_SECONDS: '3', REDIS_TIMEOUT_MS: '10000' },
    });
    const client = new Shoppers(brief.url);
    try {
      const id = await client.openSale(2);
      const token = await client.token(id, 'unlucky');
      const { owners } = context.keys.sale(saleOf(id));
      await sendAndHangUp({ user_id: 'unlucky', product_id: id, token });
      const orderNo = await vi.waitFor(async () => {
        const owned = await context.redis.hget(owners, 'unlucky');
        expect(owned).not.toBeNull();
        return owned!;
      }, 5_000);
      const lucky = outcomeOf(await client.buy(id, 'lucky', await client.token(id, 'lucky'))).order_no!;
      const late = await shoppers.token(id, 'late');
      expect(await shoppers.buy(id, 'late', late)).toBeProblem('sold_out');
      await vi.waitFor(async () => {
        expect(await liveTokenOf(context, saleOf(id), 'unlucky')).toBeUndefined();
      }, SOON);
      const retry = await client.buy(id, 'unlucky', token);
      expect(retry.status).toBe(202);
      expect(JSON.parse(retry.body)).toMatchObject({ order_no: orderNo, replayed: true });
      const promised = new Map([[orderNo, 'unlucky']]).set(lucky, 'lucky');
      for (const eachNo of promised.keys()) expect(await shoppers.settled(eachNo)).toBe('pending_payment');
      await expectPromisesKept(context, { id, seckill_stock: 2, sold: 2 }, promised);
    } finally {
      client.close();
      await brief.stop();
    }
  });
});

describe('the logs', () => {
  const linesOf = (processes: ServiceProcess[], msg: string, orderNo: string): LogLine[] =>
    processes
      .flatMap(({ log }) => log)
      .filter((line) => line.msg === msg && line.orders?.some(([named]) => named === orderNo));

  it('lead from the request to the row by one request id', async () => {
    const id = await shoppers.openSale(1);
    const token = await shoppers.token(id, 'traced');
    const answer: Answer = await shoppers.buy(id, 'traced', token, { 'x-request-id': 'the-trace-of-one-buy' });
    expect(answer.headers['x-request-id']).toBe('the-trace-of-one-buy');
    const { order_no: orderNo } = outcomeOf(answer) as { order_no: string };
    expect(await shoppers.settled(orderNo)).toBe('pending_payment');
    await vi.waitFor(() => {
      const accepted = linesOf(service.apis, 'buys accepted', orderNo);
      expect(accepted.map(({ orders }) => orders)).toEqual([[[orderNo, 'the-trace-of-one-buy']]]);
      const written = linesOf(service.workers, 'orders written', orderNo);
      expect(written.map(({ orders }) => orders)).toEqual([[[orderNo, 'pending_payment', 'the-trace-of-one-buy']]]);
    }, 5_000);
    const everything = JSON.stringify([...service.apis, ...service.workers].map(({ log }) => log));
    expect(everything).not.toContain(token);
  });
});

describe('health of the processes', () => {
  it('answers on every ops port, and on the api port', async () => {
    for (const { ready } of [...service.apis, ...service.workers]) {
      const at = (path: string) => fetch(`http://127.0.0.1:${ready.ops_port}${path}`);
      expect(await (await at('/healthz')).json()).toEqual({ status: 'ok' });
      expect(await (await at('/readyz')).json()).toEqual({ status: 'ready', redis: true, mysql: true });
      const metrics = await (await at('/metrics')).text();
      expect(metrics).toContain('seckill_');
      // The connection of the checks at start once counted as one that is lost: RedisAway fired on
      // each healthy api process.
      expect(metrics).not.toMatch(/^seckill_redis_connections\{.*\} 0$/m);
      expect((await at('/nope')).status).toBe(404);
    }
    expect((await shoppers.call('GET', '/readyz')).status).toBe(200);
  });
});
