import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { noteHistory } from '@flash-sale/shared/sale/redis-histories-table.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';

const INTERVAL_MS = 1_000;

export interface HistoriesDeps {
  readonly shard: number;
  readonly commands: Commands;
  readonly db: Db;
  /** Claims the shard's keys for the ledger. */
  readonly claim: (shard: number) => Promise<void>;
}

/**
 * Histories: records in the ledger which history of Redis this process serves. If there are two
 * masters, the older one then does not load a sale while the other is served. Runs in every
 * process, since each may be connected to another master. For the same reason, and because Redis
 * may have been emptied, it claims the shard's keys for the ledger again.
 */
export function histories({ shard, commands, db, claim }: HistoriesDeps): Rounds {
  return {
    name: 'histories',
    intervalMs: INTERVAL_MS,
    async round() {
      await noteHistory(db, (await commands.clock(shard)).historyId);
      await claim(shard);
    },
  };
}
