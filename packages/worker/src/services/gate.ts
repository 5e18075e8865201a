import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import type { Rounds } from '@flash-sale/shared/platform/process/service.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import { hasOpenOrder } from '@flash-sale/shared/sale/clean-up-table.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import type { SalesToKeep } from '@flash-sale/shared/sale/sale-list.ts';
import type { Commands } from '@flash-sale/shared/commands.ts';
import { EarlyLine } from '@flash-sale/shared/waiting-room/early-line.ts';
import { nextGate, peopleBetween, peopleInside, type Gate } from '@flash-sale/shared/waiting-room/gate.ts';
import {
  moveGate,
  readGates,
  readSavedEarly,
  saveEarly,
  saveLate,
  type GateRow,
} from '@flash-sale/shared/waiting-room/gates-table.ts';
import { EARLY_END, latePlace } from '@flash-sale/shared/waiting-room/place.ts';
import type { LiveRoom } from '@flash-sale/shared/waiting-room/waiting-room-commands.ts';
import { forEachSale } from './service.ts';

const INTERVAL_MS = 250;
/** The pause without a room that is open or opens soon. */
const IDLE_INTERVAL_MS = 1_000;
/** How long before it opens a room is loaded. */
const AHEAD_MS = 60_000;
/** How often the early line is saved while it grows. */
const SAVE_EARLY_MS = 5_000;
/** How often the ledger is asked whether units of a sold-out sale may come back. */
const ASK_OPEN_MS = 1_000;
/** The shares of `BACKLOG_MAX` and of Redis's memory from which nobody is called. */
const BACKLOG_SHARE_MAX = 0.5;
const MEMORY_SHARE_MAX = 0.8;

export interface GateDeps {
  readonly commands: Commands;
  readonly db: Db;
  readonly shard: number;
  /** The sales of the shard. */
  readonly sales: SalesToKeep;
  readonly config: Pick<
    Config,
    'PASS_SECONDS' | 'PASSES_PER_UNIT' | 'BACKLOG_MAX' | 'RATE_LIMIT_GLOBAL_PER_SECOND' | 'SHARDS'
  >;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'roomWaiting' | 'roomInside' | 'roomCalled' | 'roomSelling' | 'roomLookedAt'>;
}

/** What this process remembers of a room. Without it, it asks again. */
interface Known {
  line?: EarlyLine;
  savedMs: number;
  saved?: Buffer;
  mayReturn: boolean;
  askedMs: number;
}

/**
 * Gate: calls the shoppers who wait in waiting rooms, in the order of their places. A call is
 * committed in MySQL first, then written to Redis, which the api reads. Only a process that knows
 * the last call can commit the next one. So the gate never falls, and two gates at once call nobody
 * twice.
 */
export function gate(deps: GateDeps): Rounds {
  const { commands, db, shard, sales, config, log, metrics } = deps;
  const rules = { passMs: config.PASS_SECONDS * 1_000, passesPerUnit: config.PASSES_PER_UNIT };
  /** Nobody is called faster than the global bucket lets shoppers buy. */
  const perSecondMax = config.RATE_LIMIT_GLOBAL_PER_SECOND / config.SHARDS;
  const known = new Map<number, Known>();

  function knownOf(sale: Sale): Known {
    let of = known.get(sale.id);
    if (of === undefined) {
      known.set(sale.id, (of = { savedMs: -Infinity, mayReturn: true, askedMs: -Infinity }));
      // Initialize at 0, so that the first call counts as an increase.
      metrics.roomCalled.inc({ sale: sale.id }, 0);
    }
    return of;
  }

  /** Loads a room that this Redis does not have, or has from before a restart. */
  async function load(sale: Sale, row: GateRow): Promise<void> {
    const late = Math.max(row.late, row.gate.gate - EARLY_END);
    const early = await readSavedEarly(db, sale.id);
    if (await commands.loadRoom(sale, { isDrawn: row.isDrawn, late, early, gate: row.gate })) {
      log.info({ sale: sale.id, gate_version: row.gate.version }, 'waiting room loaded');
    }
  }

  async function saveGrowing(sale: Sale): Promise<void> {
    const of = knownOf(sale);
    if (performance.now() - of.savedMs < SAVE_EARLY_MS) return;
    of.savedMs = performance.now();
    const early = await commands.readEarly(sale);
    if (of.saved?.equals(early) === true) return;
    await saveEarly(db, sale.id, early, { isDrawn: false });
    of.saved = early;
  }

  async function lineOf(sale: Sale): Promise<EarlyLine> {
    return (knownOf(sale).line ??= new EarlyLine(await readSavedEarly(db, sale.id)));
  }

  /** Whether a unit that is not free may become free. */
  async function mayReturn(sale: Sale, { available }: LiveRoom, backlog: number): Promise<boolean> {
    if (available > 0 || backlog > 0) return true;
    const of = knownOf(sale);
    if (performance.now() - of.askedMs < ASK_OPEN_MS) return of.mayReturn;
    of.askedMs = performance.now();
    of.mayReturn = await hasOpenOrder(db, sale.id);
    return of.mayReturn;
  }

  async function step(sale: Sale, row: GateRow, isFull: boolean): Promise<void> {
    const look = await commands.lookAtRoom(sale, rules.passMs);
    const room = await commands.readRoom(sale);
    if (!room.isLoaded) return load(sale, row);
    if (!room.isDrawn) return saveGrowing(sale);
    if (!row.isDrawn) {
      await saveEarly(db, sale.id, await commands.readEarly(sale), { isDrawn: true });
      log.info({ sale: sale.id }, 'the line of early shoppers is fixed');
      return;
    }
    if (room.late > row.late) await saveLate(db, sale.id, room.late);
    const line = await lineOf(sale);
    const unitsMayReturn = await mayReturn(sale, room, look.backlog);
    // A call whose process died before Redis learned of it, or that this Redis has lost.
    if (row.gate.version > room.version || unitsMayReturn !== room.mayReturn) {
      await commands.publishGate(sale, row.gate, unitsMayReturn);
    }
    const isBusy = isFull || look.sheds || look.backlog > config.BACKLOG_MAX * BACKLOG_SHARE_MAX;
    const isSelling = room.saleReady && !room.paused && room.nowMs >= sale.startMs;
    let now = row.gate;
    if (isSelling && !isBusy) {
      const { nowMs, available, late } = room;
      const admitPerSecond = Math.min(row.admitPerSecond ?? perSecondMax, perSecondMax);
      const view = { nowMs, available, late, bought: look.bought, admitPerSecond };
      const next = nextGate(row.gate, line, view, rules);
      if (next !== undefined && (await moveGate(db, sale.id, next))) {
        await commands.publishGate(sale, next, unitsMayReturn);
        metrics.roomCalled.inc({ sale: sale.id }, peopleBetween(line, row.gate.gate, next.gate));
        now = next;
      }
    }
    show(sale, now, line, { room, bought: look.bought, isSelling });
  }

  function show(
    sale: Sale,
    now: Gate,
    line: EarlyLine,
    { room, bought, isSelling }: { readonly room: LiveRoom; readonly bought: number; readonly isSelling: boolean },
  ): void {
    metrics.roomSelling.set({ sale: sale.id }, isSelling ? 1 : 0);
    metrics.roomLookedAt.set({ sale: sale.id }, Date.now() / 1_000);
    metrics.roomWaiting.set({ sale: sale.id }, Math.round(peopleBetween(line, now.gate, latePlace(room.late))));
    metrics.roomInside.set({ sale: sale.id }, peopleInside(now, { nowMs: room.nowMs, bought }, rules.passMs));
  }

  function forget(ids: readonly number[]): void {
    for (const id of ids) {
      known.delete(id);
      for (const name of ['roomWaiting', 'roomInside', 'roomSelling', 'roomLookedAt', 'roomCalled'] as const) {
        metrics[name].remove({ sale: id });
      }
    }
  }

  const withRooms = async () => (await sales.current()).filter(({ room }) => room !== null);

  return {
    name: 'gate',
    intervalMs: INTERVAL_MS,
    // Without a sale that has a room, the gate costs nothing.
    isNeeded: async () => (await withRooms()).length > 0,
    async round(stopping) {
      const withRoom = await withRooms();
      if (withRoom.length === 0) return IDLE_INTERVAL_MS;
      const { nowMs } = await commands.clock(shard);
      const open = withRoom.filter(({ room, endMs }) => nowMs > room!.opensAtMs - AHEAD_MS && nowMs < endMs);
      const ids = new Set(open.map(({ id }) => id));
      forget([...known.keys()].filter((id) => !ids.has(id)));
      if (open.length === 0) return IDLE_INTERVAL_MS;
      const [rows, memory] = await Promise.all([readGates(db, [...ids]), commands.readMemory(shard)]);
      const isFull = memory.maxmemoryBytes > 0 && memory.usedMemoryBytes > memory.maxmemoryBytes * MEMORY_SHARE_MAX;
      await forEachSale(open, { stopping, log, service: 'gate' }, async (sale) => {
        const row = rows.get(sale.id);
        if (row !== undefined) await step(sale, row, isFull);
      });
      return undefined;
    },
    rest: () => forget([...known.keys()]),
  };
}
