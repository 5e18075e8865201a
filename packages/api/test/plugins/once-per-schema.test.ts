import Type from 'typebox';
import { expect, it } from 'vitest';
import { oncePerSchema } from '../../src/plugins/once-per-schema.ts';
import { openApp, openTestApp } from '../../testing/support.ts';

const { context } = await openTestApp();

it('a schema is compiled once, and one that looks the same is another one', () => {
  let compiled = 0;
  const compile = oncePerSchema(() => (compiled += 1));
  const [first, second] = [Type.Object({ id: Type.Integer() }), Type.Object({ id: Type.Integer() })];
  expect([first, second, first, second].map((schema) => compile(schema))).toEqual([1, 2, 1, 2]);
});

it('apps of one process answer alike, though only the first one has compiled its schemas', async () => {
  const apps = [await openApp(context), await openApp(context)];
  try {
    const sale = await context.openSale();
    const answers = await Promise.all(apps.map((app) => app.get(`/api/v1/products/${sale.id}`)));
    expect(answers[0]!.json()).toMatchObject({ id: sale.id, status: 'open' });
    expect(answers[1]!.body).toBe(answers[0]!.body);
    const refused = await Promise.all(apps.map((app) => app.get('/api/v1/products/0')));
    for (const answer of refused) expect(answer).toBeProblem('invalid_request');
  } finally {
    await Promise.all(apps.map((app) => app.close()));
  }
});
