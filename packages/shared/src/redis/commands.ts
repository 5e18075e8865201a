import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { ErrorCode } from '../domain/errors.ts';
import type { LiveSale, Sale, SaleRef } from '../domain/sale.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { CallTimes } from './call-times.ts';
import type { RedisClient } from './client.ts';
import type { Keys } from './keys.ts';

const SCRIPTS = [
  'clock',
  'admit',
  'issue_token',
  'read_order',
  'read_sale',
  'read_figures',
  'read_memory',
  'set_pause',
  'acquire_lease',
  'renew_lease',
  'release_lease',
  'next_reservations',
  'settle',
  'mark_changed',
  'give_back',
  'begin_rebuild',
  'add_owners',
  'finish_rebuild',
  'begin_change',
  'finish_change',
  'clean_up',
  'set_outcomes',
  'index_reservations',
  'note_oldest',
  'look_at_shard',
  'lead',
  'resign',
] as const;
type ScriptName = (typeof SCRIPTS)[number];
type Argument = string | number;

/** How long the counter of fencing tokens is kept after it was raised last. */
const FENCE_LIFE_MS = 86_400_000;

const load = (name: string): string => readFileSync(new URL(`scripts/${name}.lua`, import.meta.url), 'utf8');
const PRELUDE = load('prelude');
/** Scripts that take up room. The others free some, or are needed for that, and run when Redis is out of memory, too. */
const GROWING: ReadonlySet<ScriptName> = new Set(['admit', 'issue_token']);
const SOURCES = new Map(
  SCRIPTS.map((name) => [name, `#!lua${GROWING.has(name) ? '' : ' flags=allow-oom'}\n${PRELUDE}\n${load(name)}`]),
);

/** One buy in a micro-batch. */
export interface AdmitItem {
  readonly user_id: string;
  /** The number the order gets if it is accepted. */
  readonly order_no: string;
  readonly token: string;
  readonly request_id: string;
  /** Where the request is in its trace, if it is traced. */
  readonly traceparent?: string | undefined;
}

export interface AdmitCall {
  /** The history of Redis that the caller's clock was learned in. */
  readonly history_id: string;
  /** When the callers stop waiting, by Redis's clock. */
  readonly deadline_ms: number;
  readonly job_id: string;
  /** Reservations that a sale may have, and all the sales of its shard together. */
  readonly backlog_max: number;
  readonly shard_backlog_max: number;
  readonly limits: {
    readonly global_capacity: number;
    readonly global_per_second: number;
    readonly user_capacity: number;
    readonly user_per_second: number;
  };
}

/** What else decides whether a seckill token is issued. */
export interface IssueOptions {
  /** A recorded one that does not verify any more. */
  readonly replacing?: string;
  /** Live ones that the sale may have, per unit; 0: no limit. */
  readonly tokens_per_unit?: number;
  /** The challenge that was solved, where one is needed; spent on one seckill token. */
  readonly challenge?: { readonly id: string; readonly life_ms: number } | undefined;
}

/** What became of one buy. */
export type Admission =
  | { readonly outcome: 'accepted' }
  | { readonly outcome: 'replayed'; readonly order_no: string }
  | { readonly outcome: 'rate_limited'; readonly limit: 'global' | 'user'; readonly wait_ms: number }
  | { readonly outcome: Exclude<ErrorCode, 'rate_limited'> };

/** A reservation: the only copy of an accepted order until the ledger has it. */
export interface Reservation {
  readonly order_no: string;
  readonly user_id: string;
  readonly price_cents: number;
  /** When it was admitted, milliseconds since the epoch by Redis's clock: the order's `created_at`. */
  readonly admitted_ms: number;
  readonly job_id: string;
  /** The request that was admitted, for the logs. */
  readonly request_id: string;
  /** Where that request is in its trace, if it is traced. */
  readonly traceparent?: string | undefined;
}

/** A reservation with the order number that its shopper's owner entry names, if any. */
export interface HeldReservation extends Reservation {
  readonly owner_order_no: string | undefined;
}

/** What pollers are told of an order, by version. */
export interface StatusRecord {
  readonly order_no: string;
  readonly version: number;
  /** Opaque here: the order as JSON. */
  readonly status: string;
}

/** What Redis knows of one order at one instant. */
export interface OrderInRedis {
  readonly sale_ready: boolean;
  readonly reservation: Reservation | undefined;
  /** Whether a writer has taken the reservation, so that the order may be in the ledger, settled or not. */
  readonly may_be_written: boolean;
  readonly status: string | undefined;
}

/** A sale in numbers, at one instant. `available` and `owners` mean nothing where it is not ready. */
export interface SaleFigures {
  readonly ready: boolean;
  readonly available: number;
  readonly owners: number;
  readonly reservations: number;
  /** Age of the oldest reservation; 0 where there is none. */
  readonly oldest_reservation_ms: number;
  readonly now_ms: number;
}

/** An order number with its owner. */
export interface Owner {
  readonly user_id: string;
  readonly order_no: string;
}

type CommandMetrics = Pick<Metrics, 'redis_script_seconds' | 'redis_script_errors' | 'fencing_refusals'>;
type Run = <Reply>(name: ScriptName, names: readonly string[], args: readonly Argument[]) => Promise<Reply>;

/** What a script answers that has nothing but the lease to refuse for. */
const REFUSED: Partial<Record<ScriptName, (reply: unknown) => boolean>> = {
  next_reservations: (reply) => (reply as [number])[0] === 0,
  settle: (reply) => reply === 0,
  begin_change: (reply) => (reply as [string])[0] === '',
  give_back: (reply) => reply === -1,
  begin_rebuild: (reply) => reply === '',
  add_owners: (reply) => reply === 0,
  index_reservations: (reply) => reply === 0,
};

/** Times scripts, and counts those that fail and those that their lease does not allow any more. */
function measured(send: Run, metrics: CommandMetrics): Run {
  // There from the start, so that the first one counts as an increase.
  for (const script of SCRIPTS) metrics.redis_script_errors.inc({ script }, 0);
  return async (name, names, args) => {
    const called_ms = performance.now();
    try {
      const reply = await send<never>(name, names, args);
      if (REFUSED[name]?.(reply) === true) metrics.fencing_refusals.inc({ at: 'redis' });
      metrics.redis_script_seconds.observe(name, (performance.now() - called_ms) / 1_000);
      return reply;
    } catch (error) {
      metrics.redis_script_errors.inc({ script: name });
      throw error;
    }
  };
}

/**
 * Every atomic change and every consistent read in Redis, as typed functions: one per script of `scripts/`, plus the
 * reads that one command does. All reject with ioredis's errors while Redis is away. Calls under a lease take the lease's text
 * (`fencing_token holder`) and change nothing once it is somebody else's.
 */
export type Commands = ReturnType<typeof createCommands>;

export function createCommands(redis: RedisClient, keys: Keys, metrics?: CommandMetrics) {
  for (const [name, lua] of SOURCES) redis.defineCommand(name, { lua });
  const scripts = redis as unknown as Record<ScriptName, (...args: Argument[]) => Promise<unknown>>;
  /** Sent by SHA; ioredis sends the text where the server does not have it (restart, failover, SCRIPT FLUSH). */
  const send = <Reply>(name: ScriptName, names: readonly string[], args: readonly Argument[]): Promise<Reply> =>
    scripts[name](names.length, ...names, ...args) as Promise<Reply>;
  const run = metrics === undefined ? send : measured(send, metrics);

  const clock = async (shard: number): Promise<{ now_ms: number; history_id: string }> => {
    const [now_ms, history_id] = await run<[number, string]>('clock', [keys.globalBucket(shard)], []);
    return { now_ms, history_id };
  };
  const times = new CallTimes(clock);

  return {
    /** Redis's time (ms) and the history that it was told in. */
    clock,

    /** Decides a micro-batch, at most a few hundred items; answers in the same order. */
    async admit(sale: SaleRef, call: AdmitCall, items: readonly AdmitItem[]): Promise<Admission[]> {
      const { state, pause, owners, reservations, reservedAt, liveTokens } = keys.sale(sale);
      const { shard } = sale;
      const { limits } = call;
      const names = [
        state,
        pause,
        owners,
        reservations,
        reservedAt,
        keys.backlog(shard),
        keys.globalBucket(shard),
        liveTokens,
        keys.outbox(shard),
      ];
      const args: Argument[] = [
        call.history_id,
        call.deadline_ms,
        call.job_id,
        call.backlog_max,
        call.shard_backlog_max,
        limits.global_capacity,
        limits.global_per_second,
        limits.user_capacity,
        limits.user_per_second,
        sale.id,
      ];
      for (const item of items) {
        names.push(keys.seckillToken(sale, item.user_id), keys.userBucket(shard, item.user_id));
        args.push(item.user_id, item.order_no, item.token, requestText(item));
      }
      return (await run<string>('admit', names, args)).split(' ').map(admissionOf);
    },

    /** Records `token`, or answers the shopper's live one, or why there is none. */
    issueToken(
      sale: SaleRef,
      userId: string,
      token: string,
      life_ms: number,
      { replacing = '', tokens_per_unit = 0, challenge }: IssueOptions = {},
    ): Promise<string> {
      const { state, liveTokens } = keys.sale(sale);
      const names = [
        state,
        keys.seckillToken(sale, userId),
        liveTokens,
        ...(challenge === undefined ? [] : [keys.challenge(sale.shard, challenge.id)]),
      ];
      const args = [userId, token, life_ms, replacing, tokens_per_unit, challenge?.life_ms ?? 0];
      return times.send(
        sale.shard,
        (time) => run<string>('issue_token', names, [...time, ...args]),
        (reply) => reply === 'late',
      );
    },

    async readOrder(sale: SaleRef, orderNo: string): Promise<OrderInRedis> {
      const { state, reservations } = keys.sale(sale);
      const [ready, reservation, status, taken] = await run<[number, string | null, string | null, number]>(
        'read_order',
        [state, reservations, keys.status(sale, orderNo)],
        [orderNo],
      );
      // Changed since, or told in an earlier history of Redis, which may have known more. The ledger has the order, even where the writer died
      // before it could settle the reservation.
      if (status === '-') {
        return { sale_ready: ready === 1, reservation: undefined, may_be_written: true, status: undefined };
      }
      return {
        sale_ready: ready === 1,
        may_be_written: taken === 1,
        reservation: reservation === null ? undefined : reservationOf(orderNo, reservation),
        status: status ?? undefined,
      };
    },

    async readSale(sale: SaleRef): Promise<LiveSale> {
      const { state, pause, owners: ownersKey, reservedAt } = keys.sale(sale);
      const reply = await run<number[]>('read_sale', [state, pause, ownersKey, reservedAt], []);
      const [ready, version, available, pause_version, paused, now_ms, owners, backlog] = reply as [
        number,
        number,
        number,
        number,
        number,
        number,
        number,
        number,
      ];
      return { ready: ready === 1, version, available, owners, backlog, pause_version, paused: paused === 1, now_ms };
    },

    /** What the shard's Redis uses and may use; `maxmemory_bytes` is 0 where it has no limit. */
    async readMemory(shard: number): Promise<{ used_memory_bytes: number; maxmemory_bytes: number }> {
      const [used_memory_bytes, maxmemory_bytes] = await run<[number, number]>(
        'read_memory',
        [keys.globalBucket(shard)],
        [],
      );
      return { used_memory_bytes, maxmemory_bytes };
    },

    async readFigures(sale: SaleRef): Promise<SaleFigures> {
      const { state, owners: ownersKey, reservedAt } = keys.sale(sale);
      const reply = await run<[number, number, number, number, number, number]>(
        'read_figures',
        [state, ownersKey, reservedAt],
        [],
      );
      const [ready, available, owners, reservations, oldest_ms, now_ms] = reply;
      return {
        ready: ready === 1,
        available,
        owners,
        reservations,
        oldest_reservation_ms: reservations === 0 ? 0 : Math.max(0, now_ms - oldest_ms),
        now_ms,
      };
    },

    /** Whether the pause was set; false where a newer one stands, or Redis does not keep the sale. */
    async setPause(sale: SaleRef, pause_version: number, paused: boolean): Promise<boolean> {
      const { pause, state } = keys.sale(sale);
      return (await run('set_pause', [pause, state], [pause_version, paused ? '1' : '0'])) === 1;
    },

    /**
     * The lease with its fencing token, or undefined where somebody else holds it, or Redis does not keep the sale and it is not asked for to
     * load it (`may_be_new`).
     */
    async acquireLease(
      sale: SaleRef,
      holder: string,
      { life_ms, wait_ms, may_be_new }: { life_ms: number; wait_ms: number; may_be_new: boolean },
    ): Promise<{ fencing_token: number; history_id: string } | undefined> {
      const { lease, fence, leaseWaiting, state } = keys.sale(sale);
      const args = [holder, life_ms, wait_ms, FENCE_LIFE_MS, may_be_new ? '1' : '0'];
      let history_id = '';
      const fencing_token = await times.send(
        sale.shard,
        (time) => {
          [history_id] = time;
          return run<number>('acquire_lease', [lease, fence, leaseWaiting, state], [...time, ...args]);
        },
        (reply) => reply === -1,
      );
      return fencing_token <= 0 ? undefined : { fencing_token, history_id };
    },

    /** Whether the lease has its full life again; false where it is lost. */
    async renewLease(sale: SaleRef, lease: string, life_ms: number): Promise<boolean> {
      return (await run('renew_lease', [keys.sale(sale).lease], [lease, life_ms])) === 1;
    },

    /** Ends a lease; `ledger_fence` raises the counter where the ledger's fencing token is known to be ahead. */
    async releaseLease(sale: SaleRef, lease: string, ledger_fence = 0): Promise<void> {
      const names = keys.sale(sale);
      await run('release_lease', [names.lease, names.fence], [lease, ledger_fence, FENCE_LIFE_MS]);
    },

    /** The oldest reservations but for `skip` of them, and whether somebody waits for the lease; undefined where the lease is lost. */
    async nextReservations(
      sale: SaleRef,
      lease: string,
      limit: number,
      skip = 0,
    ): Promise<{ wanted: boolean; reservations: HeldReservation[] } | undefined> {
      const names = keys.sale(sale);
      const [held, lines] = await run<[number, string]>(
        'next_reservations',
        [names.lease, names.reservations, names.reservedAt, names.owners, names.leaseWaiting, names.state],
        [lease, limit, skip],
      );
      if (held === 0) return undefined;
      return { wanted: held === 2, reservations: lines === '' ? [] : lines.split('\n').map(heldReservationOf) };
    },

    /** Whether the orders were settled; false where the lease is lost. At most a thousand at once. */
    async settle(sale: SaleRef, lease: string, life_ms: number, records: readonly StatusRecord[]): Promise<boolean> {
      const names = keys.sale(sale);
      const reply = await run(
        'settle',
        [
          names.lease,
          names.reservations,
          names.reservedAt,
          keys.backlog(sale.shard),
          keys.outbox(sale.shard),
          ...records.map(({ order_no }) => keys.status(sale, order_no)),
        ],
        [
          lease,
          life_ms,
          names.settled,
          sale.id,
          ...records.flatMap(({ order_no, version, status }) => [order_no, version, status]),
        ],
      );
      return reply === 1;
    },

    /** Sends pollers of these orders to the ledger, for as long as a status lives. Called before the change is committed. */
    async markChanged(
      sale: SaleRef,
      life_ms: number,
      orders: readonly { readonly order_no: string; readonly version: number }[],
    ): Promise<void> {
      const names = orders.map(({ order_no }) => keys.status(sale, order_no));
      await run('mark_changed', [keys.sale(sale).state, ...names], [life_ms, ...orders.map(({ version }) => version)]);
    },

    /** How many units went back, or undefined where the lease is lost. */
    async giveBack(sale: SaleRef, lease: string, owners: readonly Owner[]): Promise<number | undefined> {
      const names = keys.sale(sale);
      const reply = await run<number>(
        'give_back',
        [names.lease, names.state, names.owners],
        [lease, ...owners.flatMap(({ user_id, order_no }) => [user_id, order_no])],
      );
      return reply === -1 ? undefined : reply;
    },

    /** The history of Redis in which the sale is now stopped, or undefined where the lease is lost. */
    async beginRebuild(sale: SaleRef, lease: string): Promise<string | undefined> {
      const names = keys.sale(sale);
      const reply = await run<string>(
        'begin_rebuild',
        [names.lease, names.state, names.building, keys.stopped(sale.shard)],
        [lease, sale.id],
      );
      return reply === '' ? undefined : reply;
    },

    /** Whether the owners were added; false where the lease is lost. At most a few thousand at once. */
    async addOwners(sale: SaleRef, lease: string, owners: readonly Owner[]): Promise<boolean> {
      const names = keys.sale(sale);
      const flat = owners.flatMap(({ user_id, order_no }) => [user_id, order_no]);
      return (await run('add_owners', [names.lease, names.building], [lease, ...flat])) === 1;
    },

    /** Whether the sale is open again; false where the lease is lost or another history has begun since `history_id`. */
    async finishRebuild(
      sale: Sale,
      lease: string,
      built: { history_id: string; owners: number; available: number },
    ): Promise<boolean> {
      const names = keys.sale(sale);
      const reply = await run(
        'finish_rebuild',
        [
          names.lease,
          names.state,
          names.owners,
          names.building,
          names.pause,
          names.reservedAt,
          keys.outbox(sale.shard),
          keys.stopped(sale.shard),
        ],
        [
          lease,
          built.history_id,
          built.owners,
          sale.seckill_stock,
          built.available,
          sale.version,
          sale.start_ms,
          sale.end_ms,
          sale.price_cents,
          sale.pause_version,
          sale.paused ? '1' : '0',
          sale.id,
        ],
      );
      return reply === 1;
    },

    /**
     * Stops a sale for a change of its facts. `version` is the one that was on sale until now, or 0 where the sale was not ready; undefined
     * where the lease is lost.
     */
    async beginChange(
      sale: SaleRef,
      lease: string,
    ): Promise<{ history_id: string; now_ms: number; version: number } | undefined> {
      const names = keys.sale(sale);
      const reply = await run<[string, number, number]>(
        'begin_change',
        [names.lease, names.state, keys.stopped(sale.shard)],
        [lease, sale.id],
      );
      const [history_id, now_ms, version] = reply;
      return history_id === '' ? undefined : { history_id, now_ms, version };
    },

    /** Whether the sale is open with the facts of `after`; false where it has to be rebuilt. */
    async finishChange(before: Sale, after: Sale, lease: string, history_id: string): Promise<boolean> {
      const names = keys.sale(before);
      const units = after.seckill_stock - before.seckill_stock;
      const args = [lease, history_id, before.version, after.version, units, after.end_ms, after.id];
      return (await run('finish_change', [names.lease, names.state, keys.stopped(after.shard)], args)) === 1;
    },

    /** Whether the sale's keys, but for the lease itself, are deleted; false where the lease is lost or a reservation is left. */
    async cleanUp(sale: SaleRef, lease: string): Promise<boolean> {
      const { lease: leaseKey, reservedAt, ...others } = keys.sale(sale);
      const { state, pause, owners, reservations, building, outcomes, fence } = others;
      const names = [
        leaseKey,
        keys.outbox(sale.shard),
        keys.stopped(sale.shard),
        reservedAt,
        state,
        pause,
        owners,
        reservations,
        building,
        outcomes,
        fence,
      ];
      return (await run('clean_up', names, [lease, sale.id])) === 1;
    },

    /** Whether reservations are in order of time again; false where the lease is lost. */
    async indexReservations(sale: SaleRef, lease: string): Promise<boolean> {
      const names = keys.sale(sale);
      return (
        (await run(
          'index_reservations',
          [names.lease, names.reservations, names.reservedAt, keys.outbox(sale.shard)],
          [lease, sale.id],
        )) === 1
      );
    },

    /** Whether this Redis is another one or was emptied (`history` is then another), and the sales that are stopped. */
    async lookAtShard(shard: number): Promise<{ history: string; stopped: number[] }> {
      const names = [keys.mark(shard), keys.stopped(shard)];
      const [history, mark, ...stopped] = await run<[string, string, ...string[]]>('look_at_shard', names, [
        randomUUID(),
      ]);
      return { history: `${history} ${mark}`, stopped: stopped.map(Number) };
    },

    /** The sales whose oldest reservation was admitted before `before_ms`, and when that was; the oldest first. */
    async outbox(shard: number, before_ms = Infinity, limit = -1): Promise<{ sale_id: number; oldest_ms: number }[]> {
      const below = before_ms === Infinity ? '+inf' : `(${before_ms}`;
      const flat = await redis.zrange(keys.outbox(shard), '-inf', below, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES');
      const found: { sale_id: number; oldest_ms: number }[] = [];
      for (let i = 0; i < flat.length; i += 2) found.push({ sale_id: Number(flat[i]), oldest_ms: Number(flat[i + 1]) });
      return found;
    },

    /** Puts the shard's outbox right where it does not know since when the sale has a reservation. */
    async noteOldest(sale: SaleRef): Promise<void> {
      await run('note_oldest', [keys.sale(sale).reservedAt, keys.outbox(sale.shard)], [sale.id]);
    },

    /** Whether the process `name` runs the service of the shard now. */
    async lead(shard: number, service: string, name: string, life_ms: number): Promise<boolean> {
      const reply = await times.send(
        shard,
        (time) => run<number>('lead', [keys.service(shard, service)], [...time, name, life_ms]),
        (answer) => answer === -1,
      );
      return reply === 1;
    },

    async resign(shard: number, service: string, name: string): Promise<void> {
      await run('resign', [keys.service(shard, service)], [name]);
    },

    /** Puts a process's totals in the place of those it told before. For statistics only. */
    async setOutcomes(sale: SaleRef, process_name: string, totals: ReadonlyMap<string, number>): Promise<void> {
      const { outcomes, state } = keys.sale(sale);
      const fields = [...totals].flatMap(([outcome, count]) => [`${process_name} ${outcome}`, count]);
      await run('set_outcomes', [outcomes, state], fields);
    },

    /** Buys by outcome, all processes together. */
    async outcomes(sale: SaleRef): Promise<Record<string, number>> {
      const sums: Record<string, number> = {};
      for (const [field, count] of Object.entries(await redis.hgetall(keys.sale(sale).outcomes))) {
        const outcome = field.slice(field.indexOf(' ') + 1);
        sums[outcome] = (sums[outcome] ?? 0) + Number(count);
      }
      return sums;
    },

    /** The history in which what Redis has of the sale was loaded. */
    async historyOf(sale: SaleRef): Promise<string | undefined> {
      return (await redis.hget(keys.sale(sale).state, 'history_id')) ?? undefined;
    },

    /** How many reservations of the sale are not in the ledger. */
    backlog(sale: SaleRef): Promise<number> {
      return redis.zcard(keys.sale(sale).reservedAt);
    },

    /** The order number that holds a unit of the sale for this shopper, if any. */
    async ownedOrder(sale: SaleRef, userId: string): Promise<string | undefined> {
      return (await redis.hget(keys.sale(sale).owners, userId)) ?? undefined;
    },

    /** Order numbers of reservations admitted before `before_ms`, oldest first. */
    reservedBefore(sale: SaleRef, before_ms: number, limit: number): Promise<string[]> {
      return redis.zrange(keys.sale(sale).reservedAt, '-inf', `(${before_ms}`, 'BYSCORE', 'LIMIT', 0, limit);
    },

    /** The reservations among `orderNos`, in their order; undefined for one that is gone. */
    async reservations(sale: SaleRef, orderNos: readonly string[]): Promise<(Reservation | undefined)[]> {
      const found = await redis.hmget(keys.sale(sale).reservations, ...orderNos);
      return found.map((text, i) => (text === null ? undefined : reservationOf(orderNos[i]!, text)));
    },

    /** All reservations of the sale, in no order. Read in steps: one that comes or goes meanwhile may be in it or not. */
    async allReservations(sale: SaleRef): Promise<Reservation[]> {
      const found = new Map<string, Reservation>();
      let cursor = '0';
      do {
        const [next, flat] = await redis.hscan(keys.sale(sale).reservations, cursor, 'COUNT', 1_000);
        for (let i = 0; i < flat.length; i += 2) found.set(flat[i]!, reservationOf(flat[i]!, flat[i + 1]!));
        cursor = next;
      } while (cursor !== '0');
      return [...found.values()];
    },
  };
}

function admissionOf(reply: string): Admission {
  if (reply.startsWith('replayed:')) return { outcome: 'replayed', order_no: reply.slice('replayed:'.length) };
  if (reply.startsWith('rate_limited:')) {
    const [, limit, wait_ms] = reply.split(':');
    return { outcome: 'rate_limited', limit: limit as 'global' | 'user', wait_ms: Number(wait_ms) };
  }
  return { outcome: reply as 'accepted' };
}

/** A request in a reservation: its id, and behind `~`, which no id contains, its place in its trace. */
const requestText = ({ request_id, traceparent }: AdmitItem): string =>
  traceparent === undefined ? request_id : `${request_id}~${traceparent}`;

function reservationOf(order_no: string, text: string): Reservation {
  const [admitted_ms, price_cents, job_id, request, user_id] = text.split(' ') as [
    string,
    string,
    string,
    string,
    string,
  ];
  const [request_id, traceparent] = request.split('~', 2) as [string, string?];
  const numbers = { price_cents: Number(price_cents), admitted_ms: Number(admitted_ms) };
  return { order_no, user_id, ...numbers, job_id, request_id, traceparent };
}

const HELD_RESERVATION = /^(\S+) ((?:\S+ ){4}\S+) (.+)$/;

/** From `order_no reservation owner_order_no|-`. */
function heldReservationOf(line: string): HeldReservation {
  const [, order_no, text, owner] = HELD_RESERVATION.exec(line)!;
  return { ...reservationOf(order_no!, text!), owner_order_no: owner === '-' ? undefined : owner };
}
