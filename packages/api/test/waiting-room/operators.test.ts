import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { findSale } from '@flash-sale/shared/sale/products-table.ts';
import { saveEarly } from '@flash-sale/shared/waiting-room/gates-table.ts';
import { AS_OPERATOR, openTestApp } from '../../testing/support.ts';

const { context, app } = await openTestApp();

const HOUR_MS = 3_600_000;

describe('operators', () => {
  const fields = (room: object) => ({
    name: 'With a room',
    price: 9.5,
    stock: 10,
    seckill_stock: 5,
    start_time: new Date(Date.now() + HOUR_MS).toISOString(),
    end_time: new Date(Date.now() + 2 * HOUR_MS).toISOString(),
    waiting_room: room,
  });
  const create = (room: object) => app.post('/api/v1/admin/products', fields(room), AS_OPERATOR);
  const edit = (id: number, body: object) =>
    app.server.inject({ method: 'PATCH', url: `/api/v1/admin/products/${id}`, headers: AS_OPERATOR, payload: body });
  const soon = (ms: number) => new Date(Date.now() + ms).toISOString();

  test('open a sale with a room, and its secrets leave the server nowhere', async () => {
    const answer = await create({ opens_at: soon(60_000), admit_per_second: 50 });
    expect(answer.statusCode).toBe(201);
    const { id, waiting_room: room } = answer.json<{ id: number; waiting_room: Record<string, unknown> }>();
    expect(room).toEqual({ opens_at: expect.any(String), admit_per_second: 50, commitment: expect.any(String) });
    const { seed, ticketKey } = (await findSale(context.db, id))!.room!;
    const said = await Promise.all(
      ['/api/v1/products', '/api/v1/admin/actions', `/api/v1/admin/products/${id}/stats`].map((url) =>
        app.get(url, AS_OPERATOR),
      ),
    );
    for (const { body } of [answer, ...said]) {
      expect(body).not.toContain(seed);
      expect(body).not.toContain(ticketKey);
    }
  });

  test('cannot move the start once the line is drawn, also if the clock was set back to before it', async () => {
    const { id } = (await create({ opens_at: soon(60_000) })).json<{ id: number }>();
    await saveEarly(context.db, id, Buffer.alloc(0), { isDrawn: true });
    expect(await edit(id, { start_time: soon(HOUR_MS + 60_000) })).toBeProblem('invalid_state');
    expect((await edit(id, { name: 'Another' })).statusCode).toBe(200);
  });

  test('change facts and the rate together, or neither: if one fails, the sale and the record stay as they were', async () => {
    const { id } = (await create({ opens_at: soon(60_000), admit_per_second: 3 })).json<{ id: number }>();
    const before = await findSale(context.db, id);
    await sql`CREATE TRIGGER no_rate BEFORE UPDATE ON products FOR EACH ROW
      BEGIN IF NEW.room_admit_per_second = 4 THEN SIGNAL SQLSTATE '45000'; END IF; END`.execute(context.db);
    try {
      const answer = await edit(id, { name: 'Both', waiting_room: { admit_per_second: 4 } });
      expect(answer.statusCode).toBe(500);
    } finally {
      await sql`DROP TRIGGER no_rate`.execute(context.db);
    }
    expect(await findSale(context.db, id)).toMatchObject({ name: before!.name, room: { admitPerSecond: 3 } });
    const plain = await context.openSale({ name: 'Plain', startMs: Date.now() + HOUR_MS });
    expect(await edit(plain.id, { name: 'Both', waiting_room: { admit_per_second: 7 } })).toBeProblem('invalid_state');
    expect((await findSale(context.db, plain.id))!.name).toBe('Plain');
    expect((await edit(id, { name: 'Both', waiting_room: { admit_per_second: 4 } })).json()).toMatchObject({
      name: 'Both',
      waiting_room: { admit_per_second: 4 },
    });
  });

  test('change the rate without a stop, and the opening until the start', async () => {
    const { id } = (await create({ opens_at: soon(60_000) })).json<{ id: number }>();
    const { version: first } = (await findSale(context.db, id))!;
    const changed = await edit(id, { waiting_room: { admit_per_second: 7 } });
    expect(changed.json()).toMatchObject({ waiting_room: { admit_per_second: 7 } });
    expect(await findSale(context.db, id)).toMatchObject({ version: first, room: { admitPerSecond: 7 } });
    const opensAt = soon(120_000);
    expect((await edit(id, { waiting_room: { opens_at: opensAt, admit_per_second: null } })).json()).toMatchObject({
      waiting_room: { opens_at: opensAt, admit_per_second: null },
    });
    expect(await edit(id, { waiting_room: { opens_at: soon(1.5 * HOUR_MS) } })).toMatchObject({ statusCode: 400 });
    expect(await edit(id, { start_time: soon(100_000) })).toMatchObject({ statusCode: 400 });
    expect(await create({ opens_at: soon(1.5 * HOUR_MS) })).toMatchObject({ statusCode: 400 });
    const actions = (await app.get('/api/v1/admin/actions', AS_OPERATOR)).json<{ items: { detail: object }[] }>();
    expect(actions.items[0]).toMatchObject({
      action: 'edit',
      detail: {
        'waiting_room.opens_at': opensAt,
        admit_per_second: null,
        instead_of: { admit_per_second: 7 },
      },
    });
    const plain = await context.openSale();
    expect((await edit(plain.id, { waiting_room: { admit_per_second: 7 } })).json()).toMatchObject({
      code: 'invalid_state',
    });
  });
});
