import type { OrderQueues } from '@flash-sale/shared/admission/order-queues.ts';
import { isDbOutage } from '@flash-sale/shared/platform/mysql/errors.ts';
import type { ProcessReport } from '@flash-sale/shared/platform/process/process-commands.ts';
import { codeOfRedisError } from '@flash-sale/shared/platform/redis/errors.ts';
import { isAround, type Sale } from '@flash-sale/shared/sale/sale.ts';
import type { SaleFigures } from '@flash-sale/shared/sale/sale-figures.ts';
import { readTotals } from '@flash-sale/shared/sale/sale-counters-table.ts';
import type { SalesToKeep } from '@flash-sale/shared/sale/sale-list.ts';
import type { AppDeps } from '../deps.ts';
import { isoOf } from '../fields.ts';
import { hasRoom } from '../waiting-room/place-view.ts';
import { readRoomFigures, type RoomFigures } from '../waiting-room/room-figures.ts';
import type { RoomReader } from '../waiting-room/room-reader.ts';
import { bounded } from './bounded.ts';
import type { ProcessReading, Reading, ShardReading } from './reading-schema.ts';
import { SaleReadings } from './sale-readings.ts';

/** Sales of a shard in the stream. If there are more, the stream has those that open last. */
const SALES_MAX = 1_000;
/** How long a reading waits for a server. */
const ANSWER_MS = 900;
const JOB_STATES = ['waiting', 'active', 'delayed', 'failed'] as const;

type Deps = Pick<AppDeps, 'config' | 'db' | 'commands' | 'clock' | 'operatorRedis'> & {
  readonly rooms: RoomReader;
  readonly sales: SalesToKeep;
  /** On the operators' own connection. */
  readonly operatorQueues: OrderQueues;
  /** Tests set it lower. */
  readonly salesMax?: number | undefined;
};

/** What Redis has of a shard and its live sales. */
interface ShardFound {
  readonly oldestMs: number;
  readonly hidden: number;
  readonly sales: readonly FoundSale[];
}

interface FoundSale {
  readonly sale: Sale;
  readonly figures: SaleFigures;
  /** Undefined without a waiting room. */
  readonly room: RoomFigures | undefined;
}

/**
 * Reads the figures of the whole service, not of this process: every api process writes the
 * outcomes of its buys to Redis once a second, and the ledger counts what was written and paid. A
 * server that does not answer costs its own figures only.
 */
export function liveReader(deps: Deps): () => Promise<Reading> {
  const { db, commands, clock, operatorRedis, operatorQueues, sales, salesMax = SALES_MAX } = deps;
  const fromRedis = { limitMs: ANSWER_MS, isAway: (error: unknown) => codeOfRedisError(error) !== undefined };
  const fromMysql = { limitMs: ANSWER_MS, isAway: isDbOutage };

  let wanted: readonly number[] = [];
  const kept = bounded(() => sales.current(), fromMysql);
  const totals = bounded(() => readTotals(db, wanted), fromMysql);
  const processes = bounded(() => commands.processes(), fromRedis);
  let lastKept: readonly Sale[] = [];
  const readings = new SaleReadings();
  const shards = new Map<number, ReturnType<typeof shardReader>>();

  function shardReader(shard: number) {
    let own: readonly Sale[] = [];
    const found = bounded(async (): Promise<ShardFound> => {
      const [{ nowMs }, outbox] = await Promise.all([commands.clock(shard), commands.outbox(shard)]);
      const waiting = new Set(outbox.map(({ saleId }) => saleId));
      const live = own
        .filter((sale) => waiting.has(sale.id) || isAround(sale, nowMs))
        .toSorted((a, b) => a.startMs - b.startMs || a.id - b.id);
      const shown = live.slice(-salesMax);
      const [figures, ...rooms] = await Promise.all([
        commands.readFigures(shown),
        ...shown.map((sale) => (hasRoom(sale) ? readRoomFigures(deps, sale) : undefined)),
      ]);
      const [oldest] = outbox;
      return {
        oldestMs: oldest === undefined ? 0 : Math.max(0, nowMs - oldest.oldestMs),
        hidden: live.length - shown.length,
        sales: shown.map((sale, i) => ({ sale, figures: figures[i]!, room: rooms[i] })),
      };
    }, fromRedis);
    const jobs = bounded(async () => {
      // BullMQ would wait for Redis without a limit.
      if (operatorRedis.status !== 'ready') return undefined;
      return operatorQueues.of(shard).getJobCounts(...JOB_STATES);
    }, fromRedis);
    return async (current: readonly Sale[]) => {
      own = current;
      return Promise.all([found(), jobs()]);
    };
  }

  return async () => {
    const current = await kept();
    lastKept = current ?? lastKept;
    const byShard = Map.groupBy(lastKept, ({ shard }) => shard);
    const readShard = async (shard: number) => {
      let read = shards.get(shard);
      if (read === undefined) shards.set(shard, (read = shardReader(shard)));
      const own = byShard.get(shard) ?? [];
      const [found, jobs] = await read(own);
      return { shard, own, found, jobs };
    };
    const [noted, ...read] = await Promise.all([
      processes(),
      ...[...byShard.keys()].toSorted((a, b) => a - b).map(readShard),
    ]);
    const shown = read.flatMap(({ shard, own, found }): { sale: Sale; one?: FoundSale }[] => {
      if (found !== undefined) return found.sales.map((one) => ({ one, sale: one.sale }));
      // Redis does not answer: what the ledger has of the sales is still shown.
      const nowMs = clock(shard).nowMs();
      const around = own.filter((sale) => isAround(sale, nowMs)).slice(-salesMax);
      return around.map((sale) => ({ sale }));
    });
    wanted = shown.map(({ sale }) => sale.id);
    const counted = await totals();
    return {
      // Never jumps, so that a difference of two readings is a time span.
      time: isoOf(performance.timeOrigin + performance.now()),
      redis: read.every(({ found }) => found !== undefined) && noted !== undefined,
      mysql: current !== undefined && counted !== undefined,
      sales: readings.of(
        shown.map(({ sale, one }) => ({
          sale,
          figures: one?.figures,
          room: one?.room,
          totals: counted?.get(sale.id),
          nowMs: one?.figures.nowMs ?? clock(sale.shard).nowMs(),
        })),
      ),
      shards: read.map(({ shard, found, jobs }): ShardReading => ({
        shard,
        hidden_sales: found?.hidden ?? 0,
        oldest_ms: found?.oldestMs ?? null,
        jobs: jobs ?? null,
      })),
      processes: noted === undefined ? null : [...noted].map(processReading).toSorted(byName),
    };
  };
}

function processReading([name, report]: [string, ProcessReport]): ProcessReading {
  const { kind, host, pid, startedAtMs, cpu, busy, memoryBytes } = report;
  return { name, kind, host, pid, started_at: isoOf(startedAtMs), cpu, busy, memory_bytes: memoryBytes };
}

const byName = (a: ProcessReading, b: ProcessReading): number =>
  a.kind.localeCompare(b.kind) || a.host.localeCompare(b.host) || a.pid - b.pid;
