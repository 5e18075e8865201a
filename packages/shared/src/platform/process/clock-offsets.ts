import { ledgerTime } from '../mysql/clock.ts';
import type { Db } from '../mysql/client.ts';
import type { ClockCommand } from '../redis/clock-command.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Rounds } from './service.ts';

const INTERVAL_MS = 5_000;

/** How far a server's clock is ahead of this process's, in ms; negative if it is behind. */
export async function clockOffset(ask: () => Promise<number>, ownTime: () => number = Date.now): Promise<number> {
  const askedMs = ownTime();
  const serverMs = await ask();
  // The server read its clock at some time within the round trip, so a difference up to that is no
  // offset.
  return serverMs < askedMs ? serverMs - askedMs : Math.max(0, serverMs - ownTime());
}

export interface ClockOffsetsDeps {
  readonly commands: ClockCommand;
  readonly db: Db;
  readonly shards: number;
  readonly metrics: Pick<Metrics, 'clockOffsetSeconds'>;
  readonly ownTime?: () => number;
}

/**
 * Compares the process's clock with its servers' clocks while the process runs, since a clock may
 * step after the check at start. No deadline depends on the process's clock, so nothing is stopped;
 * an alert reports it. With several shards, the largest offset is shown. A server that does not
 * answer has no value.
 */
export function clockOffsets({ commands, db, shards, metrics, ownTime }: ClockOffsetsDeps): Rounds {
  const gauge = metrics.clockOffsetSeconds;

  async function compare(server: 'redis' | 'mysql', offsets: readonly Promise<number>[]): Promise<void> {
    try {
      const worstMs = (await Promise.all(offsets)).reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
      gauge.set({ server }, worstMs / 1_000);
    } catch {
      // Other metrics report that a server does not answer.
      gauge.remove({ server });
    }
  }

  const redisOffset = (shard: number) => clockOffset(async () => (await commands.clock(shard)).nowMs, ownTime);
  const mysqlOffset = () => clockOffset(async () => (await ledgerTime(db)).getTime(), ownTime);

  return {
    name: 'clock offsets',
    intervalMs: INTERVAL_MS,
    async round() {
      await Promise.all([
        compare(
          'redis',
          Array.from({ length: shards }, (_, shard) => redisOffset(shard)),
        ),
        compare('mysql', [mysqlOffset()]),
      ]);
    },
  };
}
