import { readScripts, type RedisCalls } from '../platform/redis/script-loader.ts';
import type { ErrorCode } from '../platform/errors.ts';
import type { Keys } from '../platform/redis/keys.ts';
import type { SaleRef } from '../sale/sale.ts';

export const SECKILL_TOKEN_SCRIPTS = readScripts(import.meta.url, { issue_tokens: { needsMemory: true } });
export type SeckillTokenScript = (typeof SECKILL_TOKEN_SCRIPTS)[number]['name'];

/** One shopper in a batch. */
export interface IssueItem {
  readonly userId: string;
  /** The token to record. */
  readonly token: string;
  /** A recorded token that does not verify any more. */
  readonly replacing?: string | undefined;
  /** The solved challenge, if one is needed. It can be used for one seckill token only. */
  readonly challenge?: { readonly id: string; readonly lifeMs: number } | undefined;
}

export interface IssueLimits {
  readonly lifeMs: number;
  /** Maximum number of live tokens per unit of the sale; 0: no limit. */
  readonly tokensPerUnit: number;
}

/** The result for one shopper: the recorded token, which may be an earlier one, or a refusal. */
export type Issuance =
  | { readonly outcome: 'issued'; readonly token: string }
  | { readonly outcome: Extract<ErrorCode, 'not_ready' | 'ended' | 'challenge_required' | 'tokens_exhausted'> };

const REFUSALS: ReadonlySet<string> = new Set(['not_ready', 'ended', 'challenge_required', 'tokens_exhausted']);

export function createSeckillTokenCommands({ runInTime }: RedisCalls<SeckillTokenScript>, keys: Keys) {
  return {
    /**
     * Records a batch of at most a few hundred seckill tokens. A shopper with a live token keeps
     * it. The results are in the order of the items.
     */
    async issueTokens(sale: SaleRef, items: readonly IssueItem[], limits: IssueLimits): Promise<Issuance[]> {
      const { state, liveTokens } = keys.sale(sale);
      const names = [state, liveTokens, ...keys.seckillTokens(sale)];
      const replaced: Record<string, string> = {};
      const challenges: Record<string, number> = {};
      for (const [i, { replacing, challenge }] of items.entries()) {
        const item = i + 1;
        if (replacing !== undefined) replaced[item] = replacing;
        if (challenge === undefined) continue;
        challenges[item] = challenge.lifeMs;
        names.push(keys.challenge(sale.shard, challenge.id));
      }
      const users = items.map(({ userId }) => userId);
      const tokens = items.map(({ token }) => token);
      const batch = JSON.stringify({ users, tokens, replaced, challenges });
      const args = [limits.lifeMs, limits.tokensPerUnit, batch];
      const { reply } = await runInTime<string>(sale.shard, 'issue_tokens', names, args, (said) => said === 'late');
      return reply.split(' ').map((word, i) => issuanceOf(word, tokens[i]!));
    },
  };
}

function issuanceOf(word: string, token: string): Issuance {
  if (word === '+') return { outcome: 'issued', token };
  return REFUSALS.has(word) ? { outcome: word as 'ended' } : { outcome: 'issued', token: word };
}
