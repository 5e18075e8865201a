import { randomBytes } from 'node:crypto';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { SaleList } from '@flash-sale/shared/sale/sale-list.ts';
import { ServerReadiness } from '@flash-sale/shared/platform/process/readiness.ts';
import { untilMysqlServes } from '@flash-sale/shared/platform/process/server-wait.ts';
import { openOrderQueues } from '@flash-sale/shared/admission/order-queues.ts';
import type { Readiness } from '@flash-sale/shared/platform/telemetry/ops-server.ts';
import { Admissions } from './seckill/admissions.ts';
import { OutcomeCounts } from './seckill/outcome-counts.ts';
import { Pressure } from './seckill/pressure.ts';
import { Catalog } from './sale/catalog.ts';
import { DASHBOARD_PATH, queueDashboard } from './dashboard/queue-dashboard.ts';
import type { AppDeps } from './deps.ts';
import { OrderReader } from './order/order-reader.ts';
import { OrderWaiters } from './order/order-waiters.ts';
import { crossOrigin } from './plugins/cross-origin.ts';
import { basePath } from './plugins/base-path.ts';
import { callerAddress } from './plugins/caller-address.ts';
import { capConnections, edgeOptions } from './plugins/edges.ts';
import { ledgerLimit } from './limits/ledger-limit.ts';
import { DenyList } from './deny-list/deny-list.ts';
import { addressLimit } from './plugins/address-limit.ts';
import { health } from './plugins/health.ts';
import { identity } from './plugins/identity.ts';
import { collectMethods } from './plugins/methods.ts';
import { openapi } from './plugins/openapi.ts';
import { operators } from './plugins/operators.ts';
import { problems } from './plugins/problems.ts';
import { safeHeaders } from './plugins/safe-headers.ts';
import { compileSerializer } from './plugins/serializer.ts';
import { tracing } from './plugins/tracing.ts';
import { compileValidator } from './plugins/validator.ts';
import { orderEventRoutes } from './order-events/routes.ts';
import { editAndDeleteRoutes } from './operator/edit-and-delete.ts';
import { operationRoutes } from './operator/sale-operations.ts';
import { adminRoutes } from './operator/routes.ts';
import { shopperRoutes } from './shopper/routes.ts';
import { denyListRoutes } from './deny-list/routes.ts';
import { devRoutes } from './identity/dev-routes.ts';
import { pageRoutes } from './pages/routes.ts';
import { liveReader } from './live/live-reader.ts';
import { liveRoutes } from './live/routes.ts';
import { LiveStreams } from './live/live-streams.ts';
import { orderOperatorRoutes } from './order/operator-routes.ts';
import { orderRoutes } from './order/routes.ts';
import { paymentOperatorRoutes } from './payment/operator-routes.ts';
import { paymentRoutes } from './payment/routes.ts';
import { productRoutes } from './sale/routes.ts';
import { seckillRoutes } from './seckill/routes.ts';
import { Challenges } from './seckill/challenges.ts';
import { TokenIssuer } from './seckill/token-issuer.ts';
import { TokenSecrets } from './seckill/token-secrets.ts';
import { openWaitingRooms } from './waiting-room/open.ts';
import { waitingRoomRoutes } from './waiting-room/routes.ts';

const REQUEST_ID = /^[\w-]{1,64}$/;

/** The app, and whether it can accept requests. */
export interface App {
  readonly server: FastifyInstance;
  readonly readiness: () => Promise<Readiness>;
  /**
   * Prepares the stop: the process is not ready any more, waiting polls are answered, consoles'
   * streams end, exports are cut, and each answer closes its connection. Requests are still
   * accepted, so that no client finds a connection closed that it has just used.
   */
  readonly drain: () => void;
}

/** Builds the HTTP app from open connections. It does not listen yet: tests `inject` requests. */
export async function buildApp(deps: AppDeps): Promise<App> {
  const { config, log, metrics, db, isChecked = () => true, bounds = {} } = deps;
  const loggerInstance: FastifyBaseLogger = log;
  const server = fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'request_id' }),
    genReqId: requestIds(),
    ...edgeOptions(config, bounds),
    // A request on an open connection is still answered while the process drains.
    return503OnClosing: false,
  })
    .withTypeProvider<TypeBoxTypeProvider>()
    .setValidatorCompiler(compileValidator)
    .setSerializerCompiler(compileSerializer);

  const servers = new ServerReadiness(deps);
  let draining = false;
  const readiness = async (): Promise<Readiness> => {
    const { seen, ...answering } = await servers.check();
    return { ready: seen && isChecked() && !draining, ...answering };
  };

  const catalog = new Catalog(db, bounds.productCacheMs);
  const orders = new OrderReader({ ...deps, catalog });
  const orderWaiters = new OrderWaiters({ ...deps, waitersMax: bounds.pollWaitersMax });
  const outcomes = new OutcomeCounts(deps.commands, log);
  const admissions = new Admissions({ ...deps, waitingMax: bounds.buysWaitingMax });
  const issuer = new TokenIssuer(deps);
  const challenges = new Challenges(config, deps.tokens, bounds.challengesRaisePerSecond);
  const waitingRooms = openWaitingRooms(deps);
  const pressure = new Pressure(deps);
  const chargeLedger = ledgerLimit(config);
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

  server.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    done();
  });
  server.addHook('onSend', (_request, reply, payload, done) => {
    // A keep-alive connection whose last request came before the close would keep the process alive
    // until its client closes it.
    if (draining) reply.header('connection', 'close');
    done(null, payload);
  });
  server.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    metrics.requests.add(route, reply.outcome);
    metrics.requestSeconds.observe(route, reply.elapsedTime / 1_000);
    done();
  });
  server.addHook('onClose', () => outcomes.stop());
  server.addHook('onClose', () => operatorQueues.close());
  const drain = (): void => {
    draining = true;
    orderWaiters.close();
    waitingRooms.roomWaiters.close();
    live.close();
    stopping.abort();
  };
  server.addHook('preClose', (done) => {
    drain();
    // Do not wait for these services: a server that hangs may delay them.
    for (const service of [pressure, secrets, denyList]) void service.stop();
    // Close the port right after accepting new connections: the system resets those that are not
    // accepted when the port closes.
    setImmediate(done);
  });

  await server.register(tracing, { tracing: deps.tracing });
  capConnections(server, bounds.connectionsMax, log);
  await server.register(callerAddress);
  await server.register(basePath, { config });
  await server.register(safeHeaders);
  await server.register(crossOrigin, { origins: config.CORS_ORIGINS });
  await server.register(problems);
  await server.register(openapi);
  const refuseOtherMethods = collectMethods(server);
  await server.register(health, { readiness });
  await server.register(addressLimit, { config });
  await server.register(identity, { config, denyList, log, metrics });
  await server.register(operators, { config, failures: bounds.operatorFailures });
  await server.register(async (shoppers) => {
    shoppers.addHook('onRequest', (request, reply, done) => {
      if (denyList.deniesAddressOf(request)) reply.refuse('forbidden');
      else done();
    });
    await shoppers.register(productRoutes, { ...deps, catalog, cacheMs: bounds.productCacheMs });
    const selling = { ...deps, catalog, challenges, pressure, ...waitingRooms };
    await shoppers.register(seckillRoutes, { ...selling, issuer, admissions, outcomes, orders, chargeLedger });
    await shoppers.register(waitingRoomRoutes, selling);
    await shoppers.register(orderRoutes, { ...deps, orders, orderWaiters, chargeLedger });
    await shoppers.register(devRoutes, { config });
  });
  await server.register(paymentRoutes, deps);
  await server.register(paymentOperatorRoutes, deps);
  await server.register(adminRoutes, { ...deps, catalog, orders });
  await server.register(orderEventRoutes, deps);
  await server.register(shopperRoutes, deps);
  await server.register(editAndDeleteRoutes, { ...deps, catalog });
  await server.register(orderOperatorRoutes, { ...deps, orders, stopping: stopping.signal });
  await server.register(liveRoutes, { streams: live });
  await server.register(operationRoutes, { ...deps, operatorQueues, catalog, secrets });
  await server.register(denyListRoutes, { db, denyList });
  await server.register(pageRoutes, { config });
  refuseOtherMethods();
  await server.register(queueDashboard, { ...deps, operatorQueues, prefix: DASHBOARD_PATH });
  await untilMysqlServes(log, () => denyList.start());
  pressure.start();
  secrets.start();
  outcomes.start();
  await Promise.all([server.ready(), servers.check()]);
  return { server: server as unknown as FastifyInstance, readiness, drain };
}

/** A request's id: the sender's or gateway's if it is safe to log, else a new one. */
function requestIds(): (request: { headers: Record<string, string | string[] | undefined> }) => string {
  const prefix = randomBytes(6).toString('hex');
  let count = 0;
  return ({ headers }) => {
    const given = headers['x-request-id'];
    return typeof given === 'string' && REQUEST_ID.test(given) ? given : `${prefix}-${(count += 1).toString(36)}`;
  };
}
