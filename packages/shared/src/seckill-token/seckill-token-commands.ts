import type { SaleRef } from '../sale/sale.ts';
import { readScripts, type RedisCalls } from '../platform/redis/script-loader.ts';
import type { Keys } from '../platform/redis/keys.ts';

export const SECKILL_TOKEN_SCRIPTS = readScripts(import.meta.url, { issue_token: { needsMemory: true } });
export type SeckillTokenScript = (typeof SECKILL_TOKEN_SCRIPTS)[number]['name'];

/** Further conditions for a seckill token. */
export interface IssueOptions {
  /** A recorded token that does not verify any more. */
  readonly replacing?: string;
  /** Maximum number of live tokens per unit of the sale; 0: no limit. */
  readonly tokensPerUnit?: number;
  /** The solved challenge, if one is needed. It can be used for one seckill token only. */
  readonly challenge?: { readonly id: string; readonly lifeMs: number } | undefined;
}

export function createSeckillTokenCommands({ runInTime }: RedisCalls<SeckillTokenScript>, keys: Keys) {
  return {
    /**
     * Records `token`. Returns the shopper's live token instead if there is one, or the reason for
     * a refusal.
     */
    async issueToken(
      sale: SaleRef,
      userId: string,
      token: string,
      lifeMs: number,
      { replacing = '', tokensPerUnit = 0, challenge }: IssueOptions = {},
    ): Promise<string> {
      const { state, liveTokens } = keys.sale(sale);
      const names = [
        state,
        keys.seckillToken(sale, userId),
        liveTokens,
        ...(challenge === undefined ? [] : [keys.challenge(sale.shard, challenge.id)]),
      ];
      const args = [userId, token, lifeMs, replacing, tokensPerUnit, challenge?.lifeMs ?? 0];
      const { reply } = await runInTime<string>(sale.shard, 'issue_token', names, args, (said) => said === 'late');
      return reply;
    },
  };
}
