import { openOrderQueues } from '@flash-sale/shared/admission/order-queues.ts';
import { untilMysqlServes } from '@flash-sale/shared/platform/process/server-wait.ts';
import { SaleList } from '@flash-sale/shared/sale/sale-list.ts';
import { DenyList } from './deny-list/deny-list.ts';
import type { AppDeps } from './deps.ts';
import { ledgerLimit } from './limits/ledger-limit.ts';
import { liveReader } from './live/live-reader.ts';
import { LiveStreams } from './live/live-streams.ts';
import { OrderReader } from './order/order-reader.ts';
import { OrderWaiters } from './order/order-waiters.ts';
import { Catalog } from './sale/catalog.ts';
import { Admissions } from './seckill/admissions.ts';
import { Challenges } from './seckill/challenges.ts';
import { OutcomeCounts } from './seckill/outcome-counts.ts';
import { Pressure } from './seckill/pressure.ts';
import { TokenIssuer } from './seckill/token-issuer.ts';
import { TokenSecrets } from './seckill/token-secrets.ts';
import { openWaitingRooms } from './waiting-room/open.ts';

/** What serves the routes in this process: caches, micro-batches, waiting polls and services. */
export type Parts = ReturnType<typeof openParts>;

export function openParts(deps: AppDeps) {
  const { config, db, log, bounds = {} } = deps;
  const catalog = new Catalog(db, bounds.productCacheMs);
  const orderWaiters = new OrderWaiters({ ...deps, waitersMax: bounds.pollWaitersMax });
  const outcomes = new OutcomeCounts(deps.commands, log);
  const waitingRooms = openWaitingRooms(deps);
  const pressure = new Pressure(deps);
  const secrets = new TokenSecrets(deps);
  const operatorQueues = openOrderQueues({ connection: deps.operatorRedis, keys: deps.keys, log });
  // Uses the pool for leases, for which no shopper's call waits.
  const denyList = new DenyList(deps.leaseDb, log);
  const live = new LiveStreams({
    read: liveReader({ ...deps, ...waitingRooms, operatorQueues, sales: new SaleList(db, log) }),
    log,
    streamsMax: bounds.liveStreamsMax,
  });
  const stopping = new AbortController();
  return {
    catalog,
    orders: new OrderReader({ ...deps, catalog }),
    orderWaiters,
    outcomes,
    admissions: new Admissions({ ...deps, waitingMax: bounds.buysWaitingMax }),
    issuer: new TokenIssuer(deps),
    challenges: new Challenges(config, deps.tokens, bounds.challengesRaisePerSecond),
    waitingRooms,
    pressure,
    chargeLedger: ledgerLimit(config),
    secrets,
    operatorQueues,
    denyList,
    live,
    /** Aborted when the process drains. */
    stopping: stopping.signal,

    async start(): Promise<void> {
      await untilMysqlServes(log, () => denyList.start());
      pressure.start();
      secrets.start();
      outcomes.start();
    },

    /** Answers waiting polls, ends the streams of consoles, and cuts exports. */
    drain(): void {
      orderWaiters.close();
      waitingRooms.roomWaiters.close();
      live.close();
      stopping.abort();
    },

    /** Does not wait for the services: a server that hangs may delay them. */
    stop(): void {
      for (const service of [pressure, secrets, denyList]) void service.stop();
    },
  };
}
