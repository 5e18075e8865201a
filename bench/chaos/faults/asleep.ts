import { setTimeout as pause } from 'node:timers/promises';
import type { Passing } from '../proxy.ts';
import type { ServiceProcess } from '../../stage/service-process.ts';
import type { Fault } from './fault.ts';
import type { Stage } from './stage.ts';
import { commitAfter, insertsOrders, readsOwners, startsWriting, statementOf } from './statement.ts';

const TRIGGER_MS_MAX = 6_000;
const SURGE_INTERVAL_MS = 300;
/** Enough for a process to do what it had in mind, and much less than a lease lives. */
const WAKING_MS = 600;

/**
 * Freezes the worker process whose statement comes by the MySQL proxy and matches, before the server sees the statement: the process
 * sleeps at exactly that place. The proxy is what makes such a moment reachable from outside.
 *
 * @returns the frozen process, or undefined where no such statement came
 */
async function freezeAt(
  stage: Stage,
  matches: (passing: Passing) => boolean,
  options: { readonly whenBusy: boolean },
): Promise<ServiceProcess | undefined> {
  const { cluster, crowd, random } = stage.deps;
  const { promise, resolve } = Promise.withResolvers<ServiceProcess | undefined>();
  let frozen: ServiceProcess | undefined;
  const unwatch = cluster.mysqlProxy.watch((passing) => {
    // Also for their memory: a matcher may have to see every statement of a connection.
    const isTheOne = passing.client.startsWith('worker') && matches(passing);
    if (!isTheOne || frozen !== undefined || (options.whenBusy && !stage.isBusy)) return 'pass';
    frozen = cluster.workers.find(({ name }) => name === passing.client);
    frozen?.freeze();
    stage.deps.note('frozen', { process: passing.client, statement: statementOf(passing).slice(0, 80) });
    stage.strikes();
    resolve(frozen);
    return 'pass';
  });
  // Statements come while buys do: surges see to both.
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

const writerAsleep = (name: string, where: string, matcher: () => (passing: Passing) => boolean): Fault => ({
  name,
  what: `the worker that writes orders sleeps past its lease, ${where}`,
  isLong: true,
  async run(stage) {
    const sleeper = await freezeAt(stage, matcher(), { whenBusy: true });
    await stage.pauseBetween(3.2, 5.5);
    sleeper?.thaw();
  },
});

/** The writer has read reservations and checked its lease; when it wakes up, Redis knows neither of them. */
const writerAsleepRedisEmptied: Fault = {
  name: 'writer_asleep_redis_emptied',
  what: 'a worker sleeps just before its transaction, and Redis is emptied meanwhile',
  isLong: true,
  losesRedisData: true,
  async run(stage) {
    const { redis } = stage.deps.cluster;
    const sleeper = await freezeAt(stage, startsWriting, { whenBusy: true });
    const frozen_ms = Date.now();
    await redis.kill();
    stage.deps.cluster.emptyRedis();
    await redis.start();
    // Long enough for the other worker to rebuild and sell, and shorter than MySQL keeps an idle writer's connection (5 s).
    await pause(Math.max(0, frozen_ms + stage.deps.random.integer(3_200, 4_400) - Date.now()));
    sleeper?.thaw();
  },
};

/**
 * Redis is restarted, and whoever rebuilds the sale sleeps on its snapshot until the other has rebuilt and sold. It wakes up while the
 * other rebuilds again, for a changed product: the one moment when the sale is stopped and its old owners could be put in place.
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

export const asleepFaults: readonly Fault[] = [
  writerAsleep('writer_asleep_before_commit', 'between stamp and COMMIT', () => insertsOrders),
  writerAsleep('writer_asleep_after_commit', 'between COMMIT and settle', () => commitAfter(insertsOrders)),
  writerAsleepRedisEmptied,
  rebuilderAsleep,
];
