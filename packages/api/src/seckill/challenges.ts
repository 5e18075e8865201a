import { createChallenge, verifySolution } from 'altcha-lib';
import { deriveKey } from 'altcha-lib/algorithms/sha';
import type { Challenge, Payload } from 'altcha-lib/types';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import type { SeckillClaim } from '@flash-sale/shared/seckill-token/known-tokens.ts';
import type { SeckillTokens } from '@flash-sale/shared/seckill-token/seckill-token.ts';

type ChallengeConfig = Pick<Config, 'CHALLENGE_BITS'>;

/** Long enough for a slow phone. */
const LIFE_MS = 120_000;
/**
 * The rate of challenges per second in this process above which the work grows: one bit for each
 * doubling.
 */
const RAISE_PER_SECOND = 500;
const RAISE_BITS_MAX = 6;
const HEX_DIGIT_BITS = 4;
const WINDOW_MS = 1_000;

/** A solved challenge. It is spent when a seckill token is issued for it. */
export interface SolvedChallenge {
  readonly id: string;
  /** How long it must be remembered as spent, ms. */
  readonly lifeMs: number;
}

/**
 * Proof of work before a seckill token is issued (ALTCHA, protocol 2): cheap for one shopper,
 * expensive for thousands of tokens. The challenge contains everything needed to verify it, and is
 * signed: any api process can verify the challenge of another with a few hashes.
 *
 * @see https://altcha.org
 */
export class Challenges {
  readonly #config: ChallengeConfig;
  readonly #tokens: SeckillTokens;
  readonly #raisePerSecond: number;
  #window = { beganMs: 0, count: 0, bits: 0 };

  constructor(config: ChallengeConfig, tokens: SeckillTokens, raisePerSecond = RAISE_PER_SECOND) {
    this.#config = config;
    this.#raisePerSecond = raisePerSecond;
    this.#tokens = tokens;
  }

  /**
   * The first signs, all verify. Read at each use, since they follow the rotations of the seckill
   * tokens' secrets.
   */
  get #secrets(): readonly string[] {
    return this.#tokens.derivedSecrets('challenge');
  }

  /** Whether a challenge must be solved before a seckill token is issued. */
  get areRequired(): boolean {
    return this.#config.CHALLENGE_BITS > 0;
  }

  /** A challenge for this shopper and this sale. */
  create(claim: SeckillClaim): Promise<Challenge> {
    const bits = this.#config.CHALLENGE_BITS + this.#raise();
    return createChallenge({
      algorithm: 'SHA-256',
      // A hex digit of the prefix means 16 times the work for the solver and none for the verifier.
      // The cost makes the steps in between.
      keyPrefix: '0'.repeat(Math.floor(bits / HEX_DIGIT_BITS)),
      cost: 2 ** (bits % HEX_DIGIT_BITS),
      deriveKey,
      data: { user_id: claim.userId, sale_id: claim.saleId },
      expiresAt: new Date(Date.now() + LIFE_MS),
      hmacSignatureSecret: this.#secrets[0]!,
    });
  }

  /**
   * The solved challenge. Undefined unless `solution` (from ALTCHA's widget: JSON in base64) solves
   * a challenge that this service created for this shopper and this sale, and that has not expired.
   * Redis knows whether it was spent before.
   */
  async solved(solution: string, claim: SeckillClaim): Promise<SolvedChallenge | undefined> {
    const payload = payloadOf(solution);
    const { data, expiresAt } = payload?.challenge?.parameters ?? {};
    if (payload === undefined || typeof expiresAt !== 'number') return undefined;
    if (data?.['user_id'] !== claim.userId || data['sale_id'] !== claim.saleId) return undefined;
    for (const hmacSignatureSecret of this.#secrets) {
      // Checks the signature first, so that a forged challenge causes no work.
      const { verified } = await verifySolution({ ...payload, deriveKey, hmacSignatureSecret }).catch(() => MADE_UP);
      if (verified) return { id: payload.challenge.signature!, lifeMs: expiresAt * 1_000 + 1_000 - Date.now() };
    }
    return undefined;
  }

  /** How many bits the work is raised now, by the number of challenges in the last full second. */
  #raise(): number {
    const nowMs = performance.now();
    const ageMs = nowMs - this.#window.beganMs;
    if (ageMs >= WINDOW_MS) {
      const perSecond = (this.#window.count * 1_000) / ageMs;
      const doublings = Math.ceil(Math.log2(perSecond / this.#raisePerSecond));
      this.#window = { beganMs: nowMs, count: 0, bits: Math.min(RAISE_BITS_MAX, Math.max(0, doublings)) };
    }
    this.#window.count += 1;
    return this.#window.bits;
  }
}

const MADE_UP = { verified: false };

function payloadOf(solution: string): Payload | undefined {
  try {
    return JSON.parse(Buffer.from(solution, 'base64').toString()) as Payload;
  } catch {
    return undefined;
  }
}
