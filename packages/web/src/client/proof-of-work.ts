import { sha256 } from '@noble/hashes/sha2.js';
import { solveChallenge as solve } from 'altcha-lib';
import type { Challenge as AltchaChallenge, DeriveKeyFunction } from 'altcha-lib/types';
import type { Challenge } from './types.ts';

/**
 * A hash without a promise is many times faster than the browser's own, which answers later for
 * each of thousands of calls. It also works on pages without https.
 */
const deriveKey: DeriveKeyFunction = async ({ cost, keyLength }, salt, password) => {
  const first = new Uint8Array(salt.length + password.length);
  first.set(salt);
  first.set(password, salt.length);
  let derivedKey = sha256(first);
  for (let rounds = 1; rounds < cost; rounds += 1) derivedKey = sha256(derivedKey);
  return { derivedKey: derivedKey.slice(0, keyLength) };
};

/**
 * The solution of a challenge, as the call for a seckill token wants it. It uses a core for a
 * while: pages run it in a worker.
 *
 * @throws Error if no solution is found before the challenge expires
 */
export async function solveChallenge(challenge: Challenge): Promise<string> {
  const { parameters, signature } = challenge;
  const solution = await solve({ challenge: { parameters, signature } as unknown as AltchaChallenge, deriveKey });
  if (solution === null) throw new Error('The challenge was not solved in time');
  return btoa(JSON.stringify({ challenge, solution }));
}
