import { setTimeout as pause } from 'node:timers/promises';
import type { Passing } from '../proxy.ts';
import type { ServiceProcess } from '../../stage/service-process.ts';
import type { Fault } from './fault.ts';
import type { Stage } from './stage.ts';
import {
  commitAfter,
  insertsOrders,
  marksReturns,
  movesOrders,
  readsOwners,
  recordsPayments,
  startsWriting,
  statementOf,
} from './statement.ts';

const TRIGGER_MS_MAX = 6_000;
const SURGE_INTERVAL_MS = 300;
/** Enough for a process to finish what it was doing, and much less than the life of a lease. */
const WAKING_MS = 600;
/** Longer than any lease, lock or timeout. */
const FROZEN_MS = 30_000;
/** The maximum time until the others continue without a frozen process. */
const STANDSTILL_MS_MAX = 10_000;

/**
 * Freezes a process at a matching statement to MySQL, before the server receives the statement: so
 * the process is frozen at exactly that point. Only the proxy can reach such a moment from outside.
 *
 * @param options.of the kind of process: `worker` by default
 * @returns the frozen process, or undefined if no such statement came
 */
async function freezeAt(
  stage: Stage,
  matches: (passing: Passing) => boolean,
  options: { readonly whenBusy: boolean; readonly of?: 'api' | 'worker' },
): Promise<ServiceProcess | undefined> {
  const { cluster, crowd, random } = stage.deps;
  const kind = options.of ?? 'worker';
  const candidates = kind === 'api' ? cluster.apis : cluster.workers;
  const { promise, resolve } = Promise.withResolvers<ServiceProcess | undefined>();
  let frozen: ServiceProcess | undefined;
  const unwatch = cluster.mysqlProxy.watch((passing) => {
    // Call the matcher for every statement: it may need to see all statements of a connection.
    const isTheOne = passing.client.startsWith(kind) && matches(passing);
    if (!isTheOne || frozen !== undefined || (options.whenBusy && !stage.isBusy)) return 'pass';
    frozen = candidates.find(({ name }) => name === passing.client);
    frozen?.freeze();
    stage.deps.note('frozen', { process: passing.client, statement: statementOf(passing).slice(0, 80) });
    stage.strikes();
    resolve(frozen);
    return 'pass';
  });
  // Statements occur while shoppers buy: surges ensure both.
  const surges = setInterval(() => void crowd.surge(random.integer(15, 40)), SURGE_INTERVAL_MS);
  const timer = setTimeout(() => resolve(undefined), TRIGGER_MS_MAX);
  try {
    return await promise;
  } finally {
    clearInterval(surges);
    clearTimeout(timer);
    unwatch();
  }
}

const writerAsleepBeforeCommit: Fault = {
  name: 'writer_asleep_before_commit',
  what: 'the worker that writes orders sleeps past its lease, between stamp and COMMIT',
  isLong: true,
  async run(stage) {
    const sleeper = await freezeAt(stage, insertsOrders, { whenBusy: true });
    await stage.pauseBetween(3.2, 5.5);
    sleeper?.thaw();
  },
};

/**
 * The rows exist and Redis still says `queued`: while the writer is frozen only MySQL knows, and
 * for a part of that time it does not answer. A shopper who has seen the row must not get `queued`
 * again.
 */
const writerAsleepAfterCommit: Fault = {
  name: 'writer_asleep_after_commit',
  what: 'the worker that writes orders sleeps past its lease, between COMMIT and settle, and MySQL does not answer for 1 to 1.5 s of that',
  isLong: true,
  async run(stage) {
    const { mysqlProxy } = stage.deps.cluster;
    const sleeper = await freezeAt(stage, commitAfter(insertsOrders), { whenBusy: true });
    await stage.pauseBetween(0.8, 1.2);
    mysqlProxy.blackHole(true);
    await stage.pauseBetween(1, 1.5);
    mysqlProxy.blackHole(false);
    await stage.pauseBetween(1.4, 2.8);
    sleeper?.thaw();
  },
};

/**
 * The writer has read reservations and checked its lease. When it wakes up, Redis has neither of
 * them.
 */
const writerAsleepRedisEmptied: Fault = {
  name: 'writer_asleep_redis_emptied',
  what: 'a worker sleeps just before its transaction, and Redis is emptied meanwhile',
  isLong: true,
  losesRedisData: true,
  async run(stage) {
    const { redis } = stage.deps.cluster;
    const sleeper = await freezeAt(stage, startsWriting(), { whenBusy: true });
    const frozenMs = Date.now();
    await redis.kill();
    stage.deps.cluster.emptyRedis();
    await redis.start();
    // Long enough for the other worker to rebuild and sell, and shorter than MySQL keeps the
    // connection of an idle writer (5 s).
    await pause(Math.max(0, frozenMs + stage.deps.random.integer(3_200, 4_400) - Date.now()));
    sleeper?.thaw();
  },
};

/**
 * Redis is restarted, and the process that rebuilds the sale is frozen with its snapshot until the
 * other has rebuilt and sold. It wakes up while the other rebuilds again, for a changed product:
 * the only moment when the sale is stopped and its old owners could be put in place.
 */
const rebuilderAsleep: Fault = {
  name: 'rebuilder_asleep',
  what: 'Redis is killed, and the worker that rebuilds the sale sleeps past its lease and wakes up in the next rebuild',
  isLong: true,
  async run(stage) {
    const { cluster, ledger, sale } = stage.deps;
    await stage.strikeWhenBusy(() => cluster.redis.kill());
    const freezing = freezeAt(stage, commitAfter(readsOwners(sale.id)), { whenBusy: false });
    await cluster.redis.start();
    const sleeper = await freezing;
    await stage.pauseBetween(4.2, 5);
    const freezingOther = freezeAt(stage, commitAfter(readsOwners(sale.id)), { whenBusy: false });
    await ledger.touchProduct(sale.id);
    const other = await freezingOther;
    sleeper?.thaw();
    await pause(WAKING_MS);
    other?.thaw();
  },
};

/**
 * The transactions of a running sale, each at its COMMIT or at its only statement: all locks of the
 * transaction are held.
 */
const API_TRANSACTIONS: Readonly<Record<string, () => (passing: Passing) => boolean>> = {
  move: () => commitAfter(movesOrders),
  payment: () => commitAfter(recordsPayments),
};
const WORKER_TRANSACTIONS: Readonly<Record<string, () => (passing: Passing) => boolean>> = {
  write: () => commitAfter(insertsOrders),
  expiry: () => commitAfter(movesOrders),
  returns: () => marksReturns,
};

/**
 * One api and one worker process freeze for half a minute, each holding the locks of a transaction.
 * The servers must release the locks of a frozen process, and the other processes must take over
 * its leads.
 */
const frozenInTransaction: Fault = {
  name: 'frozen_in_transaction',
  what: 'an api and a worker process each freeze in a transaction for 30 s; the others have to go on within 10 s',
  isLong: true,
  fillsRound: true,
  async run(stage) {
    const api = stage.pick(Object.keys(API_TRANSACTIONS));
    const worker = stage.pick(Object.keys(WORKER_TRANSACTIONS));
    stage.deps.note('freezing', { api, worker });
    const frozen = await Promise.all([
      freezeAt(stage, API_TRANSACTIONS[api]!(), { whenBusy: true, of: 'api' }),
      freezeAt(stage, WORKER_TRANSACTIONS[worker]!(), { whenBusy: false }),
    ]);
    const frozenMs = Date.now();
    await stage.expectNoStandstill(frozenMs, STANDSTILL_MS_MAX);
    await pause(Math.max(0, frozenMs + FROZEN_MS - Date.now()));
    await stage.expectNoOverdue(STANDSTILL_MS_MAX);
    for (const process of frozen) process?.thaw();
  },
};

export const asleepFaults: readonly Fault[] = [
  frozenInTransaction,
  writerAsleepBeforeCommit,
  writerAsleepAfterCommit,
  writerAsleepRedisEmptied,
  rebuilderAsleep,
];
