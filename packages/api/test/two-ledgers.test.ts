import { beforeAll, describe, expect, it } from 'vitest';
import { SOON } from '@flash-sale/shared/testing/soon.ts';
import { launchProcess, startProcess } from '../testing/service.ts';
import { openTestContext, testContext } from '../testing/support.ts';

const ours = await testContext();
// Another installation that was pointed at our Redis, or ours after a wrong DB_NAME.
const theirs = await testContext({ REDIS_PREFIX: ours.config.REDIS_PREFIX });

beforeAll(async () => {
  // A worker serves the shards that have sales.
  await ours.insertSale();
  const first = await startProcess('worker', ours.env);
  const code = await first.stop();
  if (code !== 0) throw new Error(`the worker ended with code ${code}`);
});

const key = () => ours.keys.ledger(0);

describe('keys in Redis that belong to another database', () => {
  it.each([
    ['a worker', 'worker'],
    ['an api', 'api'],
  ] as const)('end the start of %s process, which names what to correct', async (_, name) => {
    const { exited, complaints, log } = launchProcess(name, { ...theirs.env, SERVER_PORT: '0' });
    expect((await exited)[0]).toBe(1);
    expect(complaints()).toMatch(/keys in Redis belong to another database: correct REDIS_ADDR, DB_HOST or DB_NAME/);
    expect(complaints()).toContain(key());
    expect(log.map(({ msg }) => msg)).not.toContain(`${name} ready`);
  });

  it('end a worker that finds them later, as after its connection leads to another Redis', async () => {
    const { exited, complaints, says } = launchProcess('worker', ours.env);
    await says('worker ready');
    const own = await ours.redis.getset(key(), 'another');
    try {
      expect((await exited)[0]).toBe(1);
      expect(complaints()).toContain('belong to another database');
    } finally {
      await ours.redis.set(key(), own!);
    }
  });
});

it('a Redis that was emptied is claimed again by a worker that serves it', async () => {
  const worker = await startProcess('worker', ours.env);
  const own = await ours.redis.getdel(key());
  await expect.poll(() => ours.redis.get(key()), SOON).toBe(own);
  expect(await worker.stop()).toBe(0);
});

it('a database that was restored from a backup keeps its keys', async () => {
  const secrets = await ours.db.selectFrom('token_secrets').selectAll().execute();
  const restored = await openTestContext({ REDIS_PREFIX: ours.config.REDIS_PREFIX });
  await restored.insertSale();
  await restored.db.insertInto('token_secrets').values(secrets).execute();
  const worker = await startProcess('worker', restored.env);
  expect(await worker.stop()).toBe(0);
  await restored.close();
});
