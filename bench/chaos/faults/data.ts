import { REFUSED_PREFIX } from '../crowd.ts';
import type { Fault } from './fault.ts';
import type { Stage } from './stage.ts';
import { statementOf } from './statement.ts';

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

/** Redis dies and comes back without some or all of its data. */
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

/** A backlog builds up while MySQL is away, and Redis is restarted on top of it. */
const mysqlAwayRedisLost = (emptied: boolean): Fault => ({
  name: emptied ? 'backlog_redis_emptied' : 'backlog_redis_killed',
  what: `MySQL is out of reach for 2 to 3 s, and Redis is killed meanwhile${emptied ? ' and comes back empty' : ''}`,
  isLong: true,
  ...(emptied ? { losesRedisData: true } : {}),
  async run(stage) {
    const { cluster, crowd } = stage.deps;
    await stage.strikeWhenBusy(() => cluster.mysqlProxy.blackHole(true));
    // More than one transaction takes, so that a rebuild finds reservations that are not in the ledger.
    void crowd.surge(Math.min(700, Math.floor(stage.deps.unitsLeft() / 2)));
    await stage.pauseBetween(2, 3);
    await cluster.redis.kill();
    if (emptied) cluster.emptyRedis();
    await cluster.redis.start();
    await stage.pauseBetween(0, 0.3);
    cluster.mysqlProxy.blackHole(false);
  },
});

/**
 * MySQL refuses some orders for good, so they fail and their units go back; and the mark that a unit went back is lost twice, so
 * that it is given back again.
 */
const rowsRefused: Fault = {
  name: 'rows_refused',
  what: 'MySQL refuses some orders for good for 1 to 2 s, and the mark of a returned unit is lost twice',
  async run(stage) {
    const { ledger, cluster, refuse } = stage.deps;
    let marks = 2;
    const unwatch = cluster.mysqlProxy.watch((passing) => {
      const marksReturns =
        passing.client.startsWith('worker') && statementOf(passing).startsWith('update `stock_returns`');
      if (marks === 0 || !marksReturns) return 'pass';
      marks -= 1;
      return 'cut';
    });
    await ledger.refuseOrdersOf(REFUSED_PREFIX);
    refuse(REFUSED_PREFIX);
    await stage.strikeWhenBusy(() => undefined);
    await stage.pauseBetween(1, 2);
    await ledger.allowAllOrders();
    unwatch();
  },
};

export const dataFaults: readonly Fault[] = [
  scriptFlush,
  connectionsKilled,
  redisEmptied,
  redisTruncated,
  mysqlAwayRedisLost(false),
  mysqlAwayRedisLost(true),
  rowsRefused,
];
