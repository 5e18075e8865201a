import { setTimeout as pause } from 'node:timers/promises';
import { REFUSED_PREFIX } from '../crowd.ts';
import type { Proxy } from '../proxy.ts';
import type { Fault } from './fault.ts';
import type { Stage } from './stage.ts';
import { commitAfter, marksReturns, readsOwners, startsWriting } from './statement.ts';

const HOLD_MS_MAX = 3_000;
const REFUSAL_MS_MAX = 5_000;

const scriptFlush: Fault = {
  name: 'script_flush',
  what: 'SCRIPT FLUSH, up to three times',
  async run(stage) {
    await stage.strikeWhenBusy(() => stage.deps.redis.flushScripts());
    for (let more = stage.deps.random.integer(0, 2); more > 0; more -= 1) {
      await stage.pauseBetween(0.05, 0.4);
      await stage.deps.redis.flushScripts();
    }
  },
};

const connectionsKilled: Fault = {
  name: 'connections_killed',
  what: 'MySQL’s KILL CONNECTION of every connection of the service, up to three times',
  async run(stage) {
    await stage.strikeWhenBusy(() => stage.deps.ledger.killServiceConnections());
    for (let more = stage.deps.random.integer(0, 2); more > 0; more -= 1) {
      await stage.pauseBetween(0.05, 0.4);
      await stage.deps.ledger.killServiceConnections();
    }
  },
};

/** Redis is killed and starts again without some or all of its data. */
async function loseRedisData(stage: Stage, lose: () => void): Promise<void> {
  const { redis } = stage.deps.cluster;
  await stage.strikeWhenBusy(() => redis.kill());
  lose();
  await redis.start();
}

const redisEmptied: Fault = {
  name: 'redis_emptied',
  what: 'Redis is killed and comes back empty',
  losesRedisData: true,
  run: (stage) => loseRedisData(stage, () => stage.deps.cluster.emptyRedis()),
};

const redisTruncated: Fault = {
  name: 'redis_truncated',
  what: 'Redis is killed and comes back with the end of its append-only file cut off',
  losesRedisData: true,
  run: (stage) => loseRedisData(stage, () => stage.deps.cluster.truncateRedis(0.2 * stage.deps.random.next() ** 2)),
};

/**
 * A backlog builds up while MySQL is down, and then Redis is restarted. MySQL is either silent, so
 * that requests arrive late, or disconnected, so that everything fails at once and is tried again.
 */
const backlogRedisLost = (emptied: boolean): Fault => ({
  name: emptied ? 'backlog_redis_emptied' : 'backlog_redis_killed',
  what: `MySQL is out of reach for 2 to 3 s, and Redis is killed meanwhile${emptied ? ' and comes back empty' : ''}`,
  isLong: true,
  ...(emptied ? { losesRedisData: true } : {}),
  async run(stage) {
    const { cluster, crowd, random, unitsLeft } = stage.deps;
    const heal = await stage.strikeWhenBusy(() => loseMysql(cluster.mysqlProxy, random.chance(0.5)));
    // More than one transaction, so that a rebuild finds reservations that are not in the ledger.
    void crowd.surge(Math.min(700, Math.floor(unitsLeft() / 2)));
    await stage.pauseBetween(2, 3);
    await cluster.redis.kill();
    if (emptied) cluster.emptyRedis();
    await cluster.redis.start();
    await stage.pauseBetween(0, 0.3);
    const rebuilt = holdWritersUntilRebuilt(cluster.mysqlProxy, stage.deps.sale.id);
    heal();
    await rebuilt;
  },
});

/**
 * Cuts the writers off while MySQL is back for all others, until a rebuild has read the ledger: it
 * must find the backlog before the writers write it.
 */
async function holdWritersUntilRebuilt(proxy: Proxy, sale: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const isRebuilt = commitAfter(readsOwners(sale));
  const startsToWrite = startsWriting();
  const unwatch = proxy.watch((passing) => {
    if (isRebuilt(passing)) resolve();
    return startsToWrite(passing) ? 'cut' : 'pass';
  });
  const timer = setTimeout(resolve, HOLD_MS_MAX);
  await promise;
  clearTimeout(timer);
  unwatch();
}

/** Makes MySQL unreachable. Returns a function that ends that. */
function loseMysql(proxy: Proxy, silently: boolean): () => void {
  if (silently) {
    proxy.blackHole(true);
    return () => proxy.blackHole(false);
  }
  const unwatch = proxy.watch(() => 'cut');
  proxy.cut();
  return unwatch;
}

/**
 * MySQL rejects some orders, so they fail and their units are given back. The mark of a returned
 * unit is lost twice, so the unit is given back again.
 */
const rowsRefused: Fault = {
  name: 'rows_refused',
  what: 'MySQL rejects some orders, and the mark of a returned unit is lost twice',
  isLong: true,
  async run(stage) {
    const { ledger, cluster, refuse, sale } = stage.deps;
    const { promise: marksLost, resolve } = Promise.withResolvers<void>();
    let marks = 2;
    const unwatch = cluster.mysqlProxy.watch((passing) => {
      if (marks === 0 || !passing.client.startsWith('worker') || !marksReturns(passing)) return 'pass';
      marks -= 1;
      if (marks === 0) resolve();
      return 'cut';
    });
    await ledger.refuseOrdersOf(REFUSED_PREFIX);
    refuse(REFUSED_PREFIX);
    await stage.strikeWhenBusy(() => undefined);
    await stage.pauseBetween(1, 2);
    // On a busy machine a writer takes a while to find the rejected rows.
    const untilMs = Date.now() + REFUSAL_MS_MAX;
    while ((await ledger.returns(sale.id)) === 0 && Date.now() < untilMs) await pause(50);
    await ledger.allowAllOrders();
    await Promise.race([marksLost, stage.pauseBetween(3, 3)]);
    unwatch();
  },
};

/**
 * Two failovers close together. A replica is cut off and promoted; the master goes on selling, then
 * becomes a replica of the promoted one, and soon a master again: the same process, with another
 * server's data.
 */
const redisFailedOverTwice: Fault = {
  name: 'redis_failed_over_twice',
  what: 'Redis sells on after a replica of it was promoted, takes over the data of that replica, and is promoted again',
  losesRedisData: true,
  async run(stage) {
    const { cluster, redis } = stage.deps;
    await using replica = await cluster.startRedisReplica();
    await replica.promote();
    await stage.strikeWhenBusy(() => undefined);
    await stage.pauseBetween(0.3, 1);
    await redis.followAndPromote(replica.port);
  },
};

export const dataFaults: readonly Fault[] = [
  redisFailedOverTwice,
  scriptFlush,
  connectionsKilled,
  redisEmptied,
  redisTruncated,
  backlogRedisLost(false),
  backlogRedisLost(true),
  rowsRefused,
];
