import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { hasUnknownUrl, ownUrl } from '@flash-sale/shared/platform/config/config.ts';
import { connectDb } from '@flash-sale/shared/platform/mysql/client.ts';
import { SaleTransactions } from '@flash-sale/shared/order-moves/sale-transactions.ts';
import { choosePaymentProviders } from '@flash-sale/shared/payment/choose.ts';
import { clockOffsets } from '@flash-sale/shared/platform/process/clock-offsets.ts';
import { exitWith, stopOnRequest } from '@flash-sale/shared/platform/process/lifecycle.ts';
import { prepareProcess } from '@flash-sale/shared/platform/process/prepare.ts';
import { untilMysqlServes, untilRedisAnswers } from '@flash-sale/shared/platform/process/server-wait.ts';
import { checkServers } from '@flash-sale/shared/server-checks/server-checks.ts';
import { heartbeat } from '@flash-sale/shared/platform/process/heartbeat.ts';
import { repeating } from '@flash-sale/shared/platform/process/service.ts';
import { openOrderQueues } from '@flash-sale/shared/admission/order-queues.ts';
import { RedisClock } from '@flash-sale/shared/platform/redis/clock.ts';
import { createCommands } from '@flash-sale/shared/commands.ts';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { Keys } from '@flash-sale/shared/platform/redis/keys.ts';
import { perShard } from '@flash-sale/shared/platform/redis/per-shard.ts';
import { buildApp } from './app.ts';
import { connectionsMaxHere } from './plugins/edges.ts';
import { openSeckillTokens } from './seckill/token-secrets.ts';

/** How long the start waits for Redis. Reads from MySQL do not need it. */
const START_WAIT_MS = 2_000;
/** The share of the time for open requests after which their connections are closed. */
const CUT_OFF_SHARE = 0.8;

/** Starts an api process: it accepts buys and answers polls. */
export async function startApi(): Promise<void> {
  const prepared = await prepareProcess('api');
  const { config, log, metrics, tracing, redis, db, connect, ops, setProbes } = prepared;
  if (config.ADMIN_TOKEN === undefined) log.warn('ADMIN_TOKEN is not set: operator calls are disabled');

  const producer = connect('producer');
  const subscriber = connect('blocking');
  const operatorRedis = connect('producer');
  const leaseDb = connectDb({ ...config, DB_POOL_MAX: 2 }, 'lease', metrics);
  const keys = new Keys(config.REDIS_PREFIX);
  let publicUrl = config.PUBLIC_URL;
  const commands = createCommands(redis, keys, metrics);

  const queues = openOrderQueues({ connection: producer, keys, log, tracing });
  const clock = perShard((shard) => {
    const started = new RedisClock(redis, commands, shard);
    started.start();
    return started;
  });
  let isChecked = false;
  const { server, readiness, drain } = await buildApp({
    config,
    log,
    metrics,
    tracing,
    db,
    leaseDb,
    redis,
    subscriber,
    operatorRedis,
    keys,
    commands,
    tokens: await untilMysqlServes(log, () => openSeckillTokens(config, db)),
    saleTransactions: new SaleTransactions({ db, commands, log, orderEvents: config.EVENTS_URL !== undefined }),
    providers: await untilMysqlServes(log, () => choosePaymentProviders(config, { db, log, metrics }, () => publicUrl)),
    clock: clock.of,
    queue: queues.of,
    isChecked: () => isChecked,
    bounds: { connectionsMax: connectionsMaxHere() },
  });

  const redisAnswers = untilRedisAnswers(redis, log);
  const checkWhenThere = async (): Promise<void> => {
    await redisAnswers;
    await checkServers({ config, redis, connect: () => connectRedis(config, 'background'), keys, commands, db, log });
    isChecked = true;
  };
  const checked = checkWhenThere();
  checked.catch(exitWith);
  const isRedisThere = Promise.race([redisAnswers.then(() => true), delay(START_WAIT_MS, false)]);
  // Connect before the first buy. If a shard's Redis does not answer, the process starts anyway.
  const shards = Array.from({ length: config.SHARDS }, (_, shard) => shard);
  for (const shard of shards) queues.of(shard);
  await Promise.all(shards.map((shard) => clock.of(shard).untilKnown(START_WAIT_MS)));
  if (await isRedisThere) await checked;
  const offsets = repeating(clockOffsets({ commands, db, shards: config.SHARDS, metrics }), log);
  offsets.start();
  const alive = heartbeat(commands, 'api', log);
  alive.start();
  // Several api processes share the port if the system can spread connections over them.
  const address = { host: config.SERVER_HOST, port: config.SERVER_PORT, reusePort: process.platform === 'linux' };
  await server.listen(address);
  setProbes({ readiness });
  const { port } = server.server.address() as AddressInfo;
  if (hasUnknownUrl(config)) publicUrl = ownUrl(config.SERVER_HOST, port);
  stopOnRequest(log, config.DRAIN_MS + config.SHUTDOWN_GRACE_MS, async () => {
    drain();
    await delay(config.DRAIN_MS);
    // A client that sends or reads nothing must not prevent a clean end.
    const cutOff = setTimeout(() => server.server.closeAllConnections(), CUT_OFF_SHARE * config.SHUTDOWN_GRACE_MS);
    await server.close();
    clearTimeout(cutOff);
    await queues.close();
    for (const started of clock.all()) started.stop();
    await offsets.stop();
    await alive.stop();
    await ops.stop();
    for (const client of [redis, producer, subscriber, operatorRedis]) client.disconnect();
    // End the connections to MySQL without an answer of the server, which may not come.
    await Promise.allSettled([db.destroy(), leaseDb.destroy(), tracing?.stop()]);
  });
  // Log this last: its reader may send a signal at once.
  log.info({ port, ops_port: ops.port }, 'api ready');
}
