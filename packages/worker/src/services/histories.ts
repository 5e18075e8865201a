import { ConfigError } from '@flash-sale/shared/platform/config/config.ts';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import { isServedElsewhere, noteServed, SEEN_SECONDS } from '@flash-sale/shared/sale/redis-histories-table.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';

const INTERVAL_MS = 1_000;

export interface HistoriesDeps {
  readonly shard: number;
  readonly commands: Commands;
  readonly db: Db;
  readonly log: Logger;
  /** Where this process has its keys in Redis. */
  readonly keySpace: string;
  /**
   * Claims the shard's keys for the ledger.
   *
   * @throws ConfigError if they belong to another one
   */
  readonly claim: (shard: number) => Promise<void>;
  /** Ends the process. */
  readonly end: (error: ConfigError) => Promise<never>;
}

/**
 * Histories: records in the ledger which history of Redis this process serves. If there are two
 * masters, the older one then does not load a sale while the other is served. Runs in every
 * process, since each may be connected to another master. For the same reason, and because Redis
 * may have been emptied, it claims the shard's keys for the ledger again. It does neither if this
 * Redis has nothing of the ledger while others serve the sales elsewhere: the address leads to a
 * wrong server, or other workers have not noticed yet that theirs is lost.
 */
export function histories({ shard, commands, db, log, keySpace, claim, end }: HistoriesDeps): Rounds {
  return {
    name: 'histories',
    intervalMs: INTERVAL_MS,
    async round() {
      const { historyId } = await commands.clock(shard);
      const isClaimed = await commands.isClaimed(shard);
      if (!isClaimed && (await isServedElsewhere(db, shard, historyId, SEEN_SECONDS))) {
        log.warn({ shard }, 'this Redis has nothing of the sales, and other workers serve them on another one');
        return;
      }
      try {
        if (!(await noteServed(db, historyId, keySpace))) {
          throw new ConfigError([
            'Other workers serve the sales on this Redis with another REDIS_PREFIX or database number: correct it, or end them',
          ]);
        }
        await claim(shard);
      } catch (error) {
        if (error instanceof ConfigError) await end(error);
        throw error;
      }
    },
  };
}
