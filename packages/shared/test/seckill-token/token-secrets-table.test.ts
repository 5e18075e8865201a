import { sql } from 'kysely';
import { beforeEach, expect, it } from 'vitest';
import {
  rotateTokenSecrets,
  sharedTokenSecret,
  sharedTokenSecrets,
} from '../../src/seckill-token/token-secrets-table.ts';
import { keyIdOf } from '../../src/seckill-token/seckill-token.ts';
import { testContext } from '../../testing/support.ts';

const LIFE_MS = 300_000;

const context = await testContext();
beforeEach(async () => {
  await context.db.deleteFrom('token_secrets').execute();
});

const secrets = () => sharedTokenSecrets(context.db, LIFE_MS);
const rotate = () => rotateTokenSecrets(context.db, LIFE_MS);

/** Advances the time by moving all stored times back. */
async function pass(seconds: number): Promise<void> {
  await sql`UPDATE token_secrets SET signs_from = signs_from - INTERVAL ${seconds} SECOND`.execute(context.db);
}

it('the first process creates the first one, for all processes', async () => {
  const read = await Promise.all(Array.from({ length: 12 }, secrets));
  expect(new Set(read.flat()).size).toBe(1);
  expect(Buffer.from(read[0]![0], 'base64url')).toHaveLength(32);
});

it('a new one verifies before it signs, so that each process knows it before its first token', async () => {
  const [old] = await secrets();
  const { keyId, signsFrom } = await rotate();
  const [signer, next, ...none] = await secrets();
  expect([signer, keyIdOf(next!), none]).toEqual([old, keyId, []]);
  expect(signsFrom.getTime()).toBeGreaterThan(Date.now());
  await pass(5);
  const [now, previous] = await secrets();
  expect([keyIdOf(now), previous]).toEqual([keyId, old]);
});

it('the previous one is accepted for the life of a token, and ten minutes more for late retries', async () => {
  const [old] = await secrets();
  await rotate();
  await pass(LIFE_MS / 1_000 + 600);
  expect(await secrets()).toContain(old);
  await pass(5);
  expect(await secrets()).not.toContain(old);
});

it('retired ones are deleted by the next rotation, except the first, which the payment sandbox signs with', async () => {
  const first = await sharedTokenSecret(context.db);
  for (let i = 0; i < 3; i += 1) {
    await rotate();
    await pass(10_000);
  }
  const kept = await context.db.selectFrom('token_secrets').select('id').orderBy('id').execute();
  expect(kept.map(({ id }) => id)).toEqual([1, 3, 4]);
  expect(await sharedTokenSecret(context.db)).toBe(first);
  expect(await secrets()).toHaveLength(1);
});

it('parallel rotations are one rotation', async () => {
  const rotations = await Promise.all(Array.from({ length: 6 }, rotate));
  expect(new Set(rotations.map(({ keyId }) => keyId)).size).toBe(1);
  expect(await secrets()).toHaveLength(2);
});

it('code that knows the first secret only works on while rotations occur', async () => {
  // What it does at its start.
  await sql`INSERT INTO token_secrets (id, secret) VALUES (1, 'made by code of before')`.execute(context.db);
  await rotate();
  await pass(5);
  expect((await secrets())[1]).toBe('made by code of before');
});
