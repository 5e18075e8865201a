import { setTimeout as delay } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { connectDb, type Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { rotateTokenSecrets, sharedTokenSecrets } from '@flash-sale/shared/seckill-token/token-secrets-table.ts';
import { SeckillTokens } from '@flash-sale/shared/seckill-token/seckill-token.ts';
import { TokenSecrets } from '../../src/seckill/token-secrets.ts';
import { openTestContext } from '../../testing/support.ts';

const CLAIM = { userId: 'alice', saleId: 1 };
const LATE_MS = 2_200;
const TOKEN_TTL_SECONDS = 300;

/**
 * The database, whose first answers come late; `asked` counts the calls in progress, and their
 * maximum.
 */
function withLateAnswers(db: Db, isLate: () => boolean): { late: Db; asked: { now: number; max: number } } {
  const asked = { now: 0, max: 0 };
  const late = db.withPlugin({
    transformQuery({ node }) {
      asked.now += 1;
      asked.max = Math.max(asked.max, asked.now);
      return node;
    },
    async transformResult({ result }) {
      if (isLate()) await delay(LATE_MS);
      asked.now -= 1;
      return result;
    },
  });
  return { late, asked };
}

it('an answer that arrives 2.2 s late, after a rotation by another api, does not restore an old secret: tokens of the new one are still accepted', async () => {
  const context = await openTestContext();
  const db = connectDb(context.config, 'general');
  onTestFinished(async () => {
    await db.destroy();
    await context.close();
  });
  const config = { TOKEN_SECRETS: undefined, TOKEN_TTL_SECONDS };
  const lifeMs = TOKEN_TTL_SECONDS * 1_000;
  const tokens = new SeckillTokens(await sharedTokenSecrets(db, lifeMs));
  let isLate = true;
  const { late, asked } = withLateAnswers(db, () => {
    const answer = isLate;
    isLate = false;
    return answer;
  });
  const secrets = new TokenSecrets({ config, db: late, tokens, log: context.log });
  onTestFinished(() => secrets.stop());
  secrets.start();
  await expect.poll(() => isLate).toBe(false);

  await rotateTokenSecrets(context.db, lifeMs);
  const elsewhere = new SeckillTokens(await sharedTokenSecrets(db, lifeMs));
  // Signed by the new secret, whichever of the two signs now.
  const signer = async (): Promise<string> => {
    elsewhere.use(await sharedTokenSecrets(db, lifeMs));
    return elsewhere.sign(CLAIM, Date.now() + 60_000).split('.')[0]!;
  };
  const first = await signer();
  await expect.poll(signer, { timeout: 5_000 }).not.toBe(first);

  const begunMs = performance.now();
  let taken = false;
  let takenBack = 0;
  while (performance.now() - begunMs < 2 * LATE_MS) {
    const isTaken = tokens.verify(elsewhere.sign(CLAIM, Date.now() + 60_000), CLAIM);
    if (taken && !isTaken) takenBack += 1;
    taken ||= isTaken;
    await delay(10);
  }
  expect({ taken, takenBack, atOnce: asked.max }).toEqual({ taken: true, takenBack: 0, atOnce: 1 });
}, 20_000);
