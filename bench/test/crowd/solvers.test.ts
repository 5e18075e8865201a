import { expect, onTestFinished, test } from 'vitest';
import type { Challenge, ShopperClient } from '@flash-sale/web/client';
import { Solvers } from '../../crowd/solvers.ts';

const PARAMETERS = {
  algorithm: 'SHA-256',
  nonce: '00'.repeat(16),
  salt: '00'.repeat(16),
  cost: 1,
  keyLength: 32,
  keyPrefix: '00',
};

test('two clicks of one shopper, each with a challenge, get the solutions of their own', async () => {
  const solvers = new Solvers();
  onTestFinished(() => solvers.close());
  let asked = 0;
  const challenge = (): Promise<Challenge> => Promise.resolve({ parameters: PARAMETERS, signature: `${(asked += 1)}` });
  const { client, solve } = solvers.equip({ challenge } as unknown as ShopperClient);

  const click = async () => {
    const mine = await client.challenge(1);
    const { challenge: solved } = JSON.parse(atob(await solve(mine))) as { challenge: Challenge };
    return { mine, solved };
  };
  for (const { mine, solved } of await Promise.all([click(), click(), click()])) expect(solved).toEqual(mine);
});
