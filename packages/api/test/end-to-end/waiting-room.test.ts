import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findSale } from '@flash-sale/shared/sale/products-table.ts';
import { RoomSecrets } from '@flash-sale/shared/waiting-room/room-secrets.ts';
import { earlyPlace } from '@flash-sale/shared/waiting-room/place.ts';
import { AS_OPERATOR, openTestContext, type TestContext } from '../../testing/support.ts';
import { startService, type Service } from '../../testing/service.ts';
import { Shoppers, type Answer } from '../../testing/shoppers.ts';
import { expectPromisesKept } from './promises.ts';

const SHOPPERS = 5_000;
const UNITS = 50;
const PASS_MS = 3_000;
const PASSES_PER_UNIT = 1;
/** Longer than the slowest machine needs until everybody has joined. */
const OPENS_FOR_MS = 600_000;
/** The start is moved to this time after the last one has joined. */
const STARTS_IN_MS = 1_500;
const AT_ONCE = 100;

let context: TestContext;
let service: Service;
let shoppers: Shoppers;

beforeAll(async () => {
  context = await openTestContext();
  const env = { PASS_SECONDS: String(PASS_MS / 1_000), PASSES_PER_UNIT: String(PASSES_PER_UNIT) };
  service = await startService(context, { apis: 2, workers: 2, env });
  shoppers = new Shoppers(service.url);
}, 120_000);

afterAll(async () => {
  shoppers.close();
  await service.stop();
  await context.close();
});

interface Body {
  readonly id?: number;
  readonly ticket?: string;
  readonly token?: string;
  readonly code?: string;
}
const bodyOf = ({ body }: Answer): Body => JSON.parse(body) as Body;

async function openSale(): Promise<number> {
  const startMs = Date.now() + OPENS_FOR_MS;
  const product = {
    name: 'With a waiting room',
    price: 19.99,
    stock: 1_000,
    seckill_stock: UNITS,
    start_time: new Date(startMs).toISOString(),
    end_time: new Date(startMs + 3_600_000).toISOString(),
    waiting_room: { opens_at: new Date(Date.now() - 1_000).toISOString() },
  };
  const answer = await shoppers.call('POST', '/api/v1/admin/products', product, AS_OPERATOR);
  expect(answer).toMatchObject({ status: 201 });
  return bodyOf(answer).id!;
}

/** Everybody is there, so nobody waits longer. */
async function startSoon(id: number): Promise<void> {
  const sooner = { start_time: new Date(Date.now() + STARTS_IN_MS).toISOString() };
  const answer = await shoppers.call('PATCH', `/api/v1/admin/products/${id}`, sooner, AS_OPERATOR);
  expect(answer).toMatchObject({ status: 200 });
}

/** Does the work for each item, so many at once, in their order. */
async function forEach<Item>(items: readonly Item[], atOnce: number, work: (item: Item) => Promise<void>) {
  const left = items.toReversed();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item);
    }),
  );
}

async function join(productId: number, userId: string): Promise<string> {
  for (;;) {
    const answer = await shoppers.call('POST', '/api/v1/seckill/queue', { user_id: userId, product_id: productId });
    const { ticket } = bodyOf(answer);
    if (ticket !== undefined) return ticket;
    // The room is loaded within a round of the gate, and a busy machine may shed.
    expect(bodyOf(answer).code).toMatch(/^(not_ready|overloaded|unavailable)$/);
    await delay(100);
  }
}

it('5,000 shoppers, 50 units, 30 % who never buy: every unit is sold in the order of the draw, and nobody skips the line', async () => {
  const id = await openSale();
  const users = Array.from({ length: SHOPPERS }, (_, i) => `shopper-${i}`);
  const tickets = new Map<string, string>();
  await forEach(users, AT_ONCE, async (userId) => void tickets.set(userId, await join(id, userId)));
  expect(new Set(tickets.values()).size).toBe(SHOPPERS);

  const token = (userId: string, ticket?: string) =>
    shoppers.call('POST', '/api/v1/seckill/token', { user_id: userId, product_id: id, ticket });
  expect(await token('shopper-1', tickets.get('shopper-1'))).toMatchObject({ status: 403 });
  await startSoon(id);

  // From here on the order is known to the test: the room is drawn by the seed that was committed
  // to.
  const { room } = (await findSale(context.db, id))!;
  const secrets = new RoomSecrets(room!);
  const placeOf = new Map(users.map((userId) => [userId, earlyPlace(secrets.draw(userId).slot)]));
  const line = users.toSorted((a, b) => placeOf.get(a)! - placeOf.get(b)!);
  const buys = (userId: string): boolean => Number(userId.split('-')[1]) % 10 >= 3;
  const bought = new Map<string, string>();

  /** Each moment in which somebody was called: who, and how many were inside then. */
  const calledMs = new Map<string, number>();
  const insideAtCalls: { inside: number; limit: number }[] = [];
  const watching = new AbortController();
  const watch = (async () => {
    const { state, owners, room: roomKey } = context.keys.sale({ id, shard: 0 });
    let lastGate: string | null = null;
    for (; !watching.signal.aborted; await delay(5)) {
      const replies = await context.redis.multi().hget(state, 'available').hkeys(owners).hget(roomKey, 'gate').exec();
      const [available, held, gate] = replies!.map(([, value]) => value) as [string, string[], string | null];
      if (gate === lastGate) continue;
      lastGate = gate;
      const nowMs = Date.now();
      const called = line.filter((userId) => placeOf.get(userId)! < Number(gate));
      const fresh = called.filter((userId) => !calledMs.has(userId));
      for (const userId of fresh) calledMs.set(userId, nowMs);
      if (fresh.length === 0) continue;
      const has = new Set(held);
      const inside = called.filter((userId) => !has.has(userId) && calledMs.get(userId)! + PASS_MS > nowMs);
      // A buy between the decision and this read leaves one unit and one person less.
      const left = Number(available) + fresh.filter((userId) => has.has(userId)).length;
      insideAtCalls.push({ inside: inside.length, limit: left * PASSES_PER_UNIT });
    }
  })();

  // Shoppers wait in the order of the line: those behind would only wait longer.
  const waitFor = async (userId: string): Promise<void> => {
    const ticket = tickets.get(userId)!;
    for (;;) {
      const path = `/api/v1/seckill/queue?user_id=${userId}&product_id=${id}&ticket=${ticket}&wait=5`;
      const { status, body } = await shoppers.call('GET', path);
      const place = JSON.parse(body) as { status?: string; units_may_return?: boolean };
      if (status === 200 && place.status === 'sold_out') return;
      if (status === 200 && place.status === 'called') break;
      await delay(20);
    }
    if (!buys(userId)) return;
    const got = bodyOf(await token(userId, ticket));
    expect(got.code).toBeUndefined();
    const { order_no: orderNo } = await shoppers.buyUntilDecided(id, userId, got.token!, () => undefined);
    if (orderNo !== undefined) bought.set(orderNo, userId);
  };
  const bot = (async () => {
    const seen = new Set<string>();
    while (!watching.signal.aborted) {
      const { code = 'got a token' } = bodyOf(await token('bot'));
      seen.add(code);
      await delay(200);
    }
    return seen;
  })();
  await forEach(line.slice(0, 400), 150, waitFor);
  watching.abort();
  await watch;

  expect(bought.size).toBe(UNITS);
  await expectPromisesKept(context, { id, seckill_stock: UNITS, sold: UNITS }, bought);
  // The order of the calls is the order of the places: the called ones are the beginning of the
  // line.
  const called = line.filter((userId) => calledMs.has(userId));
  expect(called).toEqual(line.slice(0, called.length));
  const times = called.map((userId) => calledMs.get(userId)!);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(insideAtCalls.length).toBeGreaterThan(1);
  // One more than the limit may be seen: two shoppers in one slot of the line count as one.
  expect(insideAtCalls.filter(({ inside, limit }) => inside > limit + 1)).toEqual([]);
  expect([...(await bot)]).toEqual(['not_called']);
}, 300_000);
