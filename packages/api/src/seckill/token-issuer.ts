import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { RedisClock } from '@flash-sale/shared/platform/redis/clock.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import type { SeckillClaim } from '@flash-sale/shared/seckill-token/known-tokens.ts';
import type { SeckillTokens } from '@flash-sale/shared/seckill-token/seckill-token.ts';
import type { Issuance, IssueItem } from '@flash-sale/shared/seckill-token/seckill-token-commands.ts';
import { MicroBatches, type Failure } from '../micro-batches.ts';

export interface TokenIssuerDeps {
  readonly config: Pick<Config, 'TOKEN_TTL_SECONDS' | 'TOKENS_PER_UNIT'>;
  readonly commands: Commands;
  readonly tokens: SeckillTokens;
  /** The clock of a shard's Redis. */
  readonly clock: (shard: number) => RedisClock;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'tokenBatch' | 'tokensWaiting'>;
}

/** Issues seckill tokens in micro-batches. */
export class TokenIssuer {
  readonly #deps: TokenIssuerDeps;
  readonly #lifeMs: number;
  readonly #batches: MicroBatches<IssueItem, Issuance, Sale>;

  constructor(deps: TokenIssuerDeps) {
    const { config, commands, log, metrics } = deps;
    this.#deps = deps;
    this.#lifeMs = config.TOKEN_TTL_SECONDS * 1_000;
    const { TOKENS_PER_UNIT: tokensPerUnit } = config;
    const issue = (sale: Sale, items: readonly IssueItem[]): Promise<Issuance[]> => {
      metrics.tokenBatch.observe(items.length);
      // The gate of a waiting room limits how many are inside. A called shopper is never sent back.
      const limits = { lifeMs: this.#lifeMs, tokensPerUnit: sale.room === null ? tokensPerUnit : 0 };
      return commands.issueTokens(sale, items, limits);
    };
    this.#batches = new MicroBatches({
      name: 'issue_tokens',
      call: (sales) => sales.map(({ sale, items }) => issue(sale, items)),
      log,
    });
    metrics.tokensWaiting.ask({}, () => this.#batches.waiting);
  }

  /** The shopper's seckill token: a new one, or the one that the shopper has. Never rejects. */
  async issue(sale: Sale, claim: SeckillClaim, challenge?: IssueItem['challenge']): Promise<Issuance | Failure> {
    const { clock, tokens } = this.#deps;
    const token = tokens.sign(claim, clock(sale.shard).nowMs() + this.#lifeMs);
    const item: IssueItem = { userId: claim.userId, token, challenge };
    let issuance = await this.#batches.add(sale, item);
    if (issuance.outcome === 'issued' && issuance.token !== token && !tokens.verify(issuance.token, claim)) {
      // The recorded token was signed with a secret that has been removed by a rotation.
      issuance = await this.#batches.add(sale, { ...item, replacing: issuance.token });
    }
    if (issuance.outcome === 'issued' && issuance.token === token) tokens.remember(token, claim);
    return issuance;
  }
}
