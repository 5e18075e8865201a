import { ledgerTime } from '../mysql/clock.ts';
import type { Db } from '../mysql/client.ts';
import type { ClockCommand } from '../redis/clock-command.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Rounds } from './service.ts';

const INTERVAL_MS = 5_000;

/** How far a server's clock is ahead of this process's, ms; negative: behind. */
export async function clockOffset(ask: () => Promise<number>, ownTime: () => number = Date.now): Promise<number> {
  const askedMs = ownTime();
  const serverMs = await ask();
  // The answer was true somewhere in the round trip, which is not the clock's fault.
  return serverMs < askedMs ? serverMs - askedMs : Math.max(0, serverMs - ownTime());
}

export interface ClockOffsetsDeps {
  readonly commands: ClockCommand;
  readonly db: Db;
  readonly shards: number;
  readonly metrics: Pick<Metrics, 'clock_offset_seconds'>;
  readonly ownTime?: () => number;
}

/**
 * Clock offsets: compares the process's clock with its servers' for as long as it runs, since a clock may step after the check at start. No deadline
 * goes by the process's clock, so nothing is stopped; an alert tells it. Of several shards the one that is off most is shown. A server that
 * does not answer has no figure.
 */
export function clockOffsets({ commands, db, shards, metrics, ownTime }: ClockOffsetsDeps): Rounds {
  const gauge = metrics.clock_offset_seconds;

  async function compare(server: 'redis' | 'mysql', offsets: readonly Promise<number>[]): Promise<void> {
    try {
      const worstMs = (await Promise.all(offsets)).reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a));
      gauge.set({ server }, worstMs / 1_000);
    } catch {
      // That a server is away is told by others.
      gauge.remove({ server });
    }
  }

  const redisOffset = (shard: number) => clockOffset(async () => (await commands.clock(shard)).now_ms, ownTime);
  const mysqlOffset = () => clockOffset(async () => (await ledgerTime(db)).getTime(), ownTime);

  return {
    name: 'clock offsets',
    interval_ms: INTERVAL_MS,
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
