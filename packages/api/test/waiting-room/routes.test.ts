import { createHash, createHmac } from 'node:crypto';
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { sql } from 'kysely';
import { findSale } from '@flash-sale/shared/sale/products-table.ts';
import type { SaleWithTexts } from '@flash-sale/shared/sale/sale.ts';
import { saveEarly } from '@flash-sale/shared/waiting-room/gates-table.ts';
import { CLOSED_GATE } from '@flash-sale/shared/waiting-room/gate.ts';
import { earlyPlace, EARLY_END } from '@flash-sale/shared/waiting-room/place.ts';
import { secretsOf } from '@flash-sale/shared/waiting-room/room-secrets.ts';
import { openApp, openTestApp, type TestContext } from '../../testing/support.ts';

const { context, app } = await openTestApp();
/** Another api process on the same servers. */
const other = await openApp(context);
afterAll(() => other.close());
let sale: SaleWithTexts;

const QUEUE = '/api/v1/seckill/queue';
const HOUR_MS = 3_600_000;
interface Joined {
  readonly ticket: string;
  readonly status: string;
  readonly place: number | null;
  readonly ahead?: number | null;
}

async function openRoom(fields: Parameters<TestContext['openSale']>[0] = {}): Promise<SaleWithTexts> {
  const opened = await context.openSale({ room: { opensAtMs: Date.now() - HOUR_MS }, ...fields });
  await context.commands.loadRoom(opened, { isDrawn: false, late: 0, early: Buffer.alloc(0), gate: CLOSED_GATE });
  return opened;
}
const notYet = () => ({ startMs: Date.now() + HOUR_MS, endMs: Date.now() + 2 * HOUR_MS });
const join = async (userId: string, at = app): Promise<Joined> => {
  const answer = await at.post(QUEUE, { user_id: userId, product_id: sale.id });
  expect(answer.json()).toMatchObject({ ticket: expect.any(String) });
  return answer.json();
};
const placeUrl = (userId: string, ticket: string, more = '') =>
  `${QUEUE}?user_id=${userId}&product_id=${sale.id}&ticket=${ticket}${more}`;
const place = (userId: string, ticket: string, more = '', at = app) => at.get(placeUrl(userId, ticket, more));
const tokenWith = (userId: string, ticket?: string, at = app) =>
  at.post('/api/v1/seckill/token', {
    user_id: userId,
    product_id: sale.id,
    ...(ticket === undefined ? {} : { ticket }),
  });
/** Calls all places below it, as the gate does. */
let version = 0;
const call = async (gate: number, people = 1): Promise<void> => {
  version += 1;
  const calls = [{ atMs: Date.now(), gate, people }];
  await context.commands.publishGate(sale, { version, gate, calls, pacedMs: 0 }, true);
};
/** Moves the start of the sale into the past, and fixes the early line. */
async function start(): Promise<void> {
  const { redis, keys, commands, db } = context;
  await redis.hset(keys.sale(sale).state, 'start_ms', '1');
  await sql`UPDATE products SET start_time = '2020-01-01' WHERE id = ${sale.id}`.execute(db);
  await commands.lookAtRoom(sale, HOUR_MS);
  await saveEarly(db, sale.id, await commands.readEarly(sale), { isDrawn: true });
  sale = (await findSale(db, sale.id))!;
}

beforeEach(() => {
  version = 0;
});

describe('before the start', () => {
  beforeEach(async () => {
    sale = await openRoom(notYet());
  });

  test('the same shopper gets the same ticket, however often and from whichever replica', async () => {
    const first = await join('alice');
    expect(first).toMatchObject({ status: 'waiting', place: null, ahead: null });
    expect(await join('alice')).toEqual(first);
    expect((await join('alice', other)).ticket).toBe(first.ticket);
    expect((await join('Alice')).ticket).not.toBe(first.ticket);
  });

  test('the room is closed until it opens, and says when', async () => {
    sale = await openRoom({ ...notYet(), room: { opensAtMs: Date.now() + 60_000 } });
    const answer = await app.post(QUEUE, { user_id: 'alice', product_id: sale.id });
    expect(answer.statusCode).toBe(409);
    expect(answer.json()).toMatchObject({ code: 'not_started', detail: expect.stringContaining('opens at') });
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(30);
  });

  test('a shopper who asks for a seckill token too early is told to come back at the start', async () => {
    const startMs = Date.now() + 20_000;
    sale = await openRoom({ startMs, endMs: startMs + HOUR_MS });
    const { ticket } = await join('alice');
    const answer = await tokenWith('alice', ticket);
    expect(answer.json()).toMatchObject({ code: 'not_called' });
    expect(Number(answer.headers['retry-after'])).toBeLessThanOrEqual(20);
  });

  test('the seed is secret and its commitment is public; from the start on each shopper can check the own place', async () => {
    const { ticket } = await join('alice');
    const before = (await app.get(`/api/v1/products/${sale.id}`)).json<{ waiting_room: Record<string, string> }>();
    expect(Object.keys(before.waiting_room)).not.toContain('seed');
    await start();
    let seed: string | undefined;
    await expect
      .poll(async () => {
        const product = (await app.get(`/api/v1/products/${sale.id}`)).json<typeof before>();
        return (seed = product.waiting_room['seed']);
      })
      .toBeDefined();
    expect(createHash('sha256').update(Buffer.from(seed!, 'hex')).digest('hex')).toBe(
      before.waiting_room['commitment'],
    );
    const mac = createHmac('sha256', Buffer.from(seed!, 'hex')).update('alice').digest();
    await expect
      .poll(async () => (await place('alice', ticket)).json<Joined>().place)
      .toBeCloseTo(Number(mac.readBigUInt64BE()) / 2 ** 64, 12);
  });
});

describe('after the start', () => {
  beforeEach(async () => {
    sale = await openRoom();
  });

  test('places are in the order of arrival, and a shopper who joins again after a lost answer has the same place', async () => {
    const places = [];
    for (const userId of ['a', 'b', 'c']) places.push((await join(userId)).place);
    expect(places).toEqual([1, 2, 3]);
    expect(await join('a', other)).toMatchObject({ place: 1, ahead: 0 });
    expect(await join('c')).toMatchObject({ ahead: 2, place: 3 });
  });

  test('a ticket of another shopper, sale or secret is refused, by the place and by the token', async () => {
    const { ticket } = await join('a');
    const first = sale;
    await call(EARLY_END + 1_000_000);
    expect(await place('b', ticket)).toBeProblem('ticket_invalid');
    expect(await tokenWith('b', ticket)).toBeProblem('ticket_invalid');
    expect(await tokenWith('a', `${ticket.slice(0, -1)}_`)).toBeProblem('ticket_invalid');
    sale = await openRoom();
    expect(await place('a', ticket)).toBeProblem('ticket_invalid');
    expect((await context.db.selectFrom('products').select('id').where('id', '=', first.id).execute()).length).toBe(1);
  });

  test('only a called shopper gets a seckill token; a bot that skips the room gets nothing', async () => {
    const [a, b] = [await join('a'), await join('b')];
    expect(await tokenWith('bot')).toBeProblem('not_called');
    await call(EARLY_END + 1_000);
    expect((await tokenWith('a', a.ticket)).statusCode).toBe(200);
    const refused = await tokenWith('b', b.ticket);
    expect(refused).toMatchObject({ statusCode: 403 });
    expect(refused.json()).toMatchObject({ code: 'not_called' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    // The other replica has an older reading, and must not send back who was called.
    await place('b', b.ticket, '', other);
    await call(EARLY_END + 2_000);
    expect((await tokenWith('b', b.ticket, other)).statusCode).toBe(200);
    const { token } = (await tokenWith('b', b.ticket)).json<{ token: string }>();
    expect((await app.buy(sale, 'b', token)).statusCode).toBe(202);
    expect(await context.redis.zscore(context.keys.sale(sale).roomEntered, 'a')).not.toBeNull();
  });

  test('a called shopper who comes after the pass has ended is not sent back', async () => {
    const { ticket } = await join('a');
    version += 1;
    const calls = [{ atMs: Date.now() - 2 * HOUR_MS, gate: EARLY_END + 1_000, people: 1 }];
    await context.commands.publishGate(sale, { version, gate: EARLY_END + 1_000, calls, pacedMs: 0 }, true);
    const answer = await place('a', ticket, '&wait=5');
    expect(answer.json()).toEqual({ status: 'called', place: 1 });
    expect((await tokenWith('a', ticket)).statusCode).toBe(200);
  });

  test('a sold-out room says whether units may come back, and an ended one that it is over', async () => {
    const { ticket } = await join('a');
    await call(EARLY_END);
    await context.redis.hset(context.keys.sale(sale).state, 'available', '0');
    expect((await place('a', ticket, '&wait=5')).json()).toMatchObject({ status: 'sold_out', units_may_return: true });
    await context.redis.hset(context.keys.sale(sale).state, 'available', '1');
    expect((await place('a', ticket, '&wait=5&seen=sold_out')).json()).toMatchObject({ status: 'waiting', ahead: 0 });
  });

  test('is not for a sale without a room, an ended sale, or a product that does not exist', async () => {
    const plain = await context.openSale();
    const ended = await openRoom({ startMs: 1_000, endMs: Date.now() - 1_000 });
    const joinOf = (id: number) => app.post(QUEUE, { user_id: 'a', product_id: id });
    expect(await joinOf(plain.id)).toMatchObject({ statusCode: 409 });
    expect((await joinOf(plain.id)).json()).toMatchObject({ code: 'invalid_state' });
    expect(await joinOf(ended.id)).toBeProblem('ended');
    const ticket = secretsOf(ended.room!).sign({ userId: 'a', saleId: ended.id }, { late: 0 });
    expect(await app.post('/api/v1/seckill/token', { user_id: 'a', product_id: ended.id, ticket })).toBeProblem(
      'ended',
    );
    expect(await joinOf(9_999_999)).toBeProblem('not_found');
    // Without a room nothing changes: a ticket is not needed.
    expect(await app.tokenOf(plain, 'a')).toEqual(expect.any(String));
  });
});

describe('long polls', () => {
  test('are answered at once when the gate passes the place, all of them with a few reads', async () => {
    sale = await openRoom({ ...notYet(), seckillStock: 1_000 });
    const users = Array.from({ length: 300 }, (_, i) => `u${i}`);
    const tickets = new Map<string, string>();
    for (const user of users) tickets.set(user, (await join(user)).ticket);
    await start();
    await place('u0', tickets.get('u0')!);
    await expect
      .poll(async () => (await place('u0', tickets.get('u0')!)).json<Joined>().ahead)
      .toEqual(expect.any(Number));
    const reads = vi.spyOn(app.deps.commands, 'readRoom');
    const inOrder = users.toSorted((a, b) => slotOf(a) - slotOf(b));
    const polls = inOrder.map((user) => place(user, tickets.get(user)!, '&wait=20'));
    await expect.poll(async () => (await app.deps.metrics.roomWaiters.get()).values[0]?.value).toBe(300);
    reads.mockClear();
    const beganMs = performance.now();
    await call(earlyPlace(slotOf(inOrder[150]!)), 150);
    const called = await Promise.all(polls.slice(0, 150));
    const tookMs = performance.now() - beganMs;
    expect(called.map((answer) => answer.json<Joined>().status)).toEqual(called.map(() => 'called'));
    expect(tookMs).toBeLessThan(900);
    expect(reads.mock.calls.length).toBeLessThan(6);
    await call(earlyPlace(slotOf(inOrder[299]!)) + 1, 150);
    await Promise.all(polls);
    reads.mockRestore();
  });

  const slotOf = (user: string) => secretsOf(sale.room!).draw(user).slot;
});

test('if proof of work is required, it is for the join: a called shopper needs none for the seckill token', async () => {
  const guarded = await openApp(context, { CHALLENGE_BITS: '4' });
  try {
    sale = await openRoom();
    expect(await guarded.post(QUEUE, { user_id: 'a', product_id: sale.id })).toBeProblem('challenge_required');
    const { ticket } = await join('a');
    await call(EARLY_END + 1_000);
    expect((await tokenWith('a', ticket, guarded)).statusCode).toBe(200);
    const plain = await context.openSale();
    const bogus = { user_id: 'a', product_id: plain.id, ticket };
    expect(await guarded.post('/api/v1/seckill/token', bogus)).toBeProblem('challenge_required');
  } finally {
    await guarded.close();
  }
});
