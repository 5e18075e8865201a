import type { Queue } from 'bullmq';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import type { SaleTransactions } from '@flash-sale/shared/order-moves/sale-transactions.ts';
import type { PaymentProviders } from '@flash-sale/shared/payment/provider.ts';
import type { BucketLimit } from './limits/bucket.ts';
import type { SeckillTokens } from '@flash-sale/shared/seckill-token/seckill-token.ts';
import type { WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import type { RedisClient } from '@flash-sale/shared/platform/redis/client.ts';
import type { RedisClock } from '@flash-sale/shared/platform/redis/clock.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { Keys } from '@flash-sale/shared/platform/redis/keys.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import type { Tracing } from '@flash-sale/shared/platform/telemetry/tracing-types.ts';

/**
 * Limits that no operator needs to change. Each default is a constant beside the code that uses it;
 * tests pass other values.
 */
export interface AppBounds {
  readonly headersTimeoutMs?: number;
  readonly requestTimeoutMs?: number;
  readonly idleTimeoutMs?: number;
  readonly connectionsMax?: number;
  readonly buysWaitingMax?: number;
  readonly pollWaitersMax?: number;
  readonly roomWaitersMax?: number;
  readonly productCacheMs?: number;
  readonly liveStreamsMax?: number;
  readonly challengesRaisePerSecond?: number;
  readonly operatorFailures?: BucketLimit;
}

/** The dependencies of the app. `main` creates the real ones; their creator closes them. */
export interface AppDeps {
  readonly config: Config;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Omitted if traces are off. */
  readonly tracing?: Tracing | undefined;
  readonly db: Db;
  /** For the rebuild of a new sale: these connections free their locks soon. */
  readonly leaseDb: Db;
  readonly redis: RedisClient;
  readonly subscriber: RedisClient;
  /**
   * A separate `producer` connection for operators' reads, so that they never delay a shopper's
   * job.
   */
  readonly operatorRedis: RedisClient;
  readonly keys: Keys;
  readonly commands: Commands;
  readonly tokens: SeckillTokens;
  /** Moves orders that are in the ledger. */
  readonly saleTransactions: SaleTransactions;
  readonly providers: PaymentProviders;
  /** The clock of a shard's Redis. */
  readonly clock: (shard: number) => RedisClock;
  /** The queue of a shard. */
  readonly queue: (shard: number) => Queue<WriteOrdersJob>;
  /** Whether the servers have passed their check. Omitted if nobody checks them. */
  readonly isChecked?: () => boolean;
  readonly bounds?: AppBounds;
}
