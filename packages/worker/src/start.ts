import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { hasUnknownUrl } from '@flash-sale/shared/platform/config/config.ts';
import { connectDb } from '@flash-sale/shared/platform/mysql/client.ts';
import type { LedgerService } from './services/service-leads-table.ts';
import { ORDER_BATCH_MAX } from '@flash-sale/shared/order/orders-table.ts';
import { SaleTransactions } from '@flash-sale/shared/order-moves/sale-transactions.ts';
import { choosePaymentProviders } from '@flash-sale/shared/payment/choose.ts';
import { clockOffsets } from '@flash-sale/shared/platform/process/clock-offsets.ts';
import { exitWith, stopOnRequest } from '@flash-sale/shared/platform/process/lifecycle.ts';
import { prepareProcess } from '@flash-sale/shared/platform/process/prepare.ts';
import { untilMysqlServes, untilRedisAnswers } from '@flash-sale/shared/platform/process/server-wait.ts';
import { claimShard, ledgerName } from '@flash-sale/shared/reconciliation/claim-shard.ts';
import { checkServers } from '@flash-sale/shared/server-checks/server-checks.ts';
import { heartbeat } from '@flash-sale/shared/platform/process/heartbeat.ts';
import { repeating, type Rounds, type Service } from '@flash-sale/shared/platform/process/service.ts';
import { openOrderQueues } from '@flash-sale/shared/admission/order-queues.ts';
import { createCommands } from '@flash-sale/shared/commands.ts';
import { connectRedis } from '@flash-sale/shared/platform/redis/client.ts';
import { Keys } from '@flash-sale/shared/platform/redis/keys.ts';
import { httpReceiver } from './order-events/receiver.ts';
import { OrderWriter } from './order-writer/order-writer.ts';
import { auditor } from './services/auditor.ts';
import { cleanUp } from './services/clean-up.ts';
import { duePayments } from './services/due-payments.ts';
import { expiry } from './services/expiry.ts';
import { gate } from './services/gate.ts';
import { figures } from './services/figures.ts';
import { histories } from './services/histories.ts';
import { orderConsumers } from './services/order-consumers.ts';
import { orderEvents, orderEventsWithoutReceiver } from './services/order-events.ts';
import { paymentCalls } from './services/payment-calls.ts';
import { Progress, progressWatch } from './services/progress.ts';
import { relay } from './services/relay.ts';
import { retention } from './services/retention.ts';
import { returns } from './services/returns.ts';
import { keySpaceOf } from '@flash-sale/shared/sale/redis-histories-table.ts';
import { SaleList } from '@flash-sale/shared/sale/sale-list.ts';
import { underLead, leadsInLedger, leadsInRedis } from './services/lead.ts';
import { forEachShard } from './services/service.ts';
import { warmUp } from './services/warm-up.ts';

/** An order event that was not delivered for a day is given up. */
const EVENTS_GIVE_UP_MS = 86_400_000;

/** Starts a worker process: it moves orders into the ledger, and runs the services. */
export async function startWorker(): Promise<void> {
  const prepared = await prepareProcess('worker');
  const { config, log, metrics, tracing, redis, db, servers, connect, ops, setProbes } = prepared;
  const leaseDb = connectDb(config, 'lease', metrics);
  const keys = new Keys(config.REDIS_PREFIX);
  const commands = createCommands(redis, keys, metrics);
  const producer = connect('producer');
  await untilRedisAnswers(redis, log);
  await checkServers({ config, redis, connect: () => connectRedis(config, 'background'), keys, commands, db, log });
  const queues = openOrderQueues({ connection: producer, keys, log });

  const hasReceiver = config.EVENTS_URL !== undefined;
  const writer = new OrderWriter({
    db: leaseDb,
    commands,
    log,
    metrics,
    tracing,
    orderBatchMax: ORDER_BATCH_MAX,
    paymentTimeoutMs: config.PAYMENT_TIMEOUT_SECONDS * 1_000,
    orderEvents: hasReceiver,
  });
  if (config.PAYMENT_PROVIDER === 'sandbox' && hasUnknownUrl(config)) {
    log.warn(
      'SERVER_PORT is 0, and PUBLIC_URL is not set: the sandbox of this worker cannot reach the api, so refunds stay open',
    );
  }
  const providers = await untilMysqlServes(log, () => choosePaymentProviders(config, { db, log, metrics }));
  const saleTransactions = new SaleTransactions({ db, commands, log, orderEvents: hasReceiver });
  const ledger = await untilMysqlServes(log, () => ledgerName(db));
  const claims = {
    keySpace: keySpaceOf(config),
    claim: (shard: number) => claimShard({ redis, keys }, shard, ledger),
    end: exitWith,
  };
  const sales = new SaleList(db, log);
  const progress = new Progress();
  const processName = `${hostname()}:${process.pid}:${randomUUID()}`;
  const servicesOf = (shard: number) => {
    const ofShard = { commands, db: leaseDb, sales: sales.of(shard), shard, log, metrics };
    const services: Rounds[] = [
      relay({ ...ofShard, queue: queues.of }),
      warmUp(ofShard),
      returns(ofShard),
      gate({ ...ofShard, db, config }),
      auditor({ ...ofShard, redis, keys }),
      figures({ ...ofShard, db, queue: queues.of }),
      cleanUp(ofShard),
    ];
    const leads = leadsInRedis(commands, shard);
    return [
      ...services.map((rounds) => underLead(rounds, { leads, processName, log, metrics })),
      repeating(histories({ ...ofShard, ...claims }), log, metrics),
    ];
  };
  const leads = leadsInLedger(db);
  const underLedgerLead = (rounds: Rounds<LedgerService>): Service =>
    underLead(rounds, { leads, processName, log, metrics });
  const services = [
    orderConsumers({
      db,
      keys,
      writer,
      connect: () => connect('blocking'),
      concurrency: config.WORKER_CONCURRENCY,
      progress,
      log,
      metrics,
      tracing,
    }),
    heartbeat(commands, 'worker', log),
    repeating(clockOffsets({ commands, db, shards: config.SHARDS, metrics }), log),
    repeating(progressWatch({ progress, sales, commands, redis, queue: queues.of, log }), log, metrics),
    forEachShard({ db, log }, servicesOf),
    underLedgerLead(expiry({ db, saleTransactions, log, metrics })),
    underLedgerLead(duePayments({ db, saleTransactions, log, metrics })),
    underLedgerLead(paymentCalls({ db, providers, saleTransactions, log, metrics })),
  ];
  const delivery = { db, giveUpMs: EVENTS_GIVE_UP_MS, log, metrics };
  if (config.EVENTS_URL === undefined) {
    services.push(underLedgerLead(orderEventsWithoutReceiver(delivery)));
  } else {
    const receiver = httpReceiver(config.EVENTS_URL, config);
    services.push(underLedgerLead(orderEvents({ ...delivery, receiver })));
  }
  if (config.RETENTION_DAYS !== undefined && config.ARCHIVE_DIR !== undefined) {
    const target = { folder: config.ARCHIVE_DIR, dbName: config.DB_NAME };
    const retentionMs = config.RETENTION_DAYS * 86_400_000;
    services.push(underLedgerLead(retention({ db, target, retentionMs, log })));
  }
  for (const service of services) service.start();

  setProbes({
    health: () => progress.health(),
    readiness: async () => {
      const { redis: redisAnswers, mysql } = await servers.check();
      return { ready: redisAnswers && mysql === true, redis: redisAnswers, mysql };
    },
  });
  stopOnRequest(log, config.SHUTDOWN_GRACE_MS, async () => {
    await Promise.all(services.map((service) => service.stop()));
    await queues.close();
    await ops.stop();
    redis.disconnect();
    producer.disconnect();
    // End the connections to MySQL without an answer of the server, which may not come.
    await Promise.allSettled([db.destroy(), leaseDb.destroy(), tracing?.stop()]);
  });
  // Log this last: its reader may send a signal at once.
  log.info({ ops_port: ops.port }, 'worker ready');
}
