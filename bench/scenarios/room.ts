import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '../load/client.ts';
import { closedLoop } from '../load/closed-loop.ts';
import { get, post, type PlannedRequest } from '../load/request.ts';
import { latencyFigures } from '../load/statistics.ts';
import { prefixed } from './accept.ts';
import { perEach, spent } from './costs.ts';
import { newShoppers, openSale, type Sale } from './sale.ts';
import { assertExpected, Broken, CONNECTIONS, type Scenario } from './scenario.ts';

const QUEUE = '/api/v1/seckill/queue';
const LOADED_MS_MAX = 20_000;

const join = (sale: Sale, userId: string): PlannedRequest => post(QUEUE, { user_id: userId, product_id: sale.id });

/** The worker loads the room into Redis. After that, joins do not need it. */
async function untilLoaded(url: string, sale: Sale): Promise<void> {
  const client = new Client([url], 1);
  const untilMs = performance.now() + LOADED_MS_MAX;
  let answer = await client.call(join(sale, newShoppers(1)[0]!));
  while (answer.status !== 200 && performance.now() < untilMs) {
    await delay(100);
    answer = await client.call(join(sale, newShoppers(1)[0]!));
  }
  await client.close();
  if (answer.status !== 200) throw new Broken([`the waiting room was not loaded: ${answer.body}`]);
}

/** Before the start of a sale with a waiting room: every shopper joins, then asks for the place. */
export const room: Scenario = {
  name: 'room',
  async run({ stage, size }) {
    const opensAt = new Date(Date.now() - 60_000).toISOString();
    const startMs = Date.now() + 3_600_000;
    const sale = await openSale(stage.api, stage.operatorToken, 10, { startMs, waitingRoom: { opens_at: opensAt } });
    await stage.worker.start();
    try {
      await untilLoaded(stage.api, sale);
    } finally {
      await stage.worker.stop();
    }
    const users = newShoppers(size.buys);
    const usedBytes = async (): Promise<number> =>
      Number(/used_memory:(\d+)/.exec(await stage.redis.info('memory'))?.[1]);
    const beforeBytes = await usedBytes();
    const tickets = new Set<string>();
    const before = await spent(stage);
    const joins = await closedLoop({
      urls: [stage.api],
      connections: CONNECTIONS,
      requests: users.map((userId) => join(sale, userId)),
      expected: 200,
      onBody: (body) => void tickets.add(/"ticket":"([^"]+)"/.exec(body)?.[1] ?? body),
    });
    const costs = perEach(before, await spent(stage), size.buys, 'join');
    const bytes = (await usedBytes()) - beforeBytes;
    assertExpected('joins', joins.unexpected, size.buys);
    if (tickets.size < size.buys - joins.unexpected) throw new Broken(['two shoppers got the same ticket']);

    const places = await closedLoop({
      urls: [stage.api],
      connections: CONNECTIONS,
      requests: await plannedPlaces(stage.api, sale, users.slice(0, CONNECTIONS)),
      amount: size.reads,
      expected: 200,
    });
    assertExpected('places', places.unexpected, size.reads);
    return {
      'room.joins_per_second': joins.perSecond,
      ...prefixed('room_join', latencyFigures(joins.latenciesMs)),
      ...prefixed('room', costs),
      'room.places_per_second': places.perSecond,
      // The counts of a room have a fixed size, so that this falls with more shoppers.
      'room.redis_bytes_per_shopper': Math.max(0, bytes) / size.buys,
    };
  },
};

async function plannedPlaces(url: string, sale: Sale, users: readonly string[]): Promise<PlannedRequest[]> {
  const client = new Client([url], CONNECTIONS);
  const planned = await Promise.all(
    users.map(async (userId) => {
      const { body } = await client.call(join(sale, userId));
      const { ticket } = JSON.parse(body) as { ticket: string };
      return get(`${QUEUE}?user_id=${userId}&product_id=${sale.id}&ticket=${ticket}`);
    }),
  );
  await client.close();
  return planned;
}
