import { afterAll, beforeAll, expect, it } from 'vitest';
import { AS_OPERATOR, openApp, openTestContext, type TestApp, type TestContext } from '../../testing/support.ts';

let context: TestContext;
let replicas: [TestApp, TestApp];

beforeAll(async () => {
  context = await openTestContext();
  const open = () => openApp(context, { TOKEN_SECRETS: '' });
  // One after the other, as the first makes the secret that the second reads.
  replicas = [await open(), await open()];
});

afterAll(async () => {
  await Promise.all(replicas.map((replica) => replica.close()));
  await context.close();
});

const rotate = (replica: TestApp) => replica.post('/api/v1/admin/token-secrets/rotate', undefined, AS_OPERATOR);

it('a rotation reaches every replica by itself, and no token is refused meanwhile, with either secret', async () => {
  const sale = await context.openSale({ seckillStock: 1_000_000 });
  const [signing, taking] = replicas;
  const before = await signing.tokenOf(sale, 'before');
  const answer = await rotate(signing);
  expect(answer.statusCode).toBe(200);
  const { key_id: keyId } = answer.json<{ key_id: string }>();

  const signers = new Set<string>();
  for (let i = 0; !replicas.every((_, replica) => signers.has(`${replica} ${keyId}`)); i += 1) {
    for (const [replica, one] of replicas.entries()) {
      const user = `shopper-${replica}-${i}`;
      const token = await one.tokenOf(sale, user);
      signers.add(`${replica} ${token.split('.')[0]}`);
      const bought = await replicas[1 - replica]!.buy(sale, user, token);
      expect([bought.statusCode, bought.body]).toEqual([202, bought.body]);
    }
  }
  // Signed before by one, taken after it by the other.
  expect((await taking.buy(sale, 'before', before)).statusCode).toBe(202);
  expect(answer.body).not.toContain('secret');
});

it('two requests at once are one rotation, recorded once and without the secret', async () => {
  const answers = await Promise.all([...replicas, ...replicas].map(rotate));
  const keyIds = new Set(answers.map((answer) => answer.json<{ key_id: string }>().key_id));
  expect([answers.map(({ statusCode }) => statusCode), keyIds.size]).toEqual([[200, 200, 200, 200], 1]);
  const actions = await context.db.selectFrom('operator_actions').selectAll().where('action', '=', 'rotate').execute();
  const [last] = actions.filter(({ detail }) => detail.includes([...keyIds][0]!));
  expect(actions.filter(({ detail }) => detail === last!.detail)).toHaveLength(1);
  for (const { secret } of await context.db.selectFrom('token_secrets').select('secret').execute()) {
    expect(JSON.stringify([actions, answers.map(({ body }) => body)])).not.toContain(secret);
  }
});

it('is refused if the secrets come from the environment', async () => {
  const given = await openApp(context);
  try {
    const answer = await rotate(given);
    expect(answer).toBeProblem('invalid_state');
    expect(answer.json<{ detail: string }>().detail).toContain('TOKEN_SECRETS');
  } finally {
    await given.close();
  }
});
