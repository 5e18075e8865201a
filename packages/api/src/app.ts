import { randomBytes } from 'node:crypto';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance } from 'fastify';
import { ServerReadiness } from '@flash-sale/shared/platform/process/readiness.ts';
import type { Readiness } from '@flash-sale/shared/platform/telemetry/ops-server.ts';
import { DASHBOARD_PATH, queueDashboard } from './dashboard/queue-dashboard.ts';
import type { AppDeps } from './deps.ts';
import { crossOrigin } from './plugins/cross-origin.ts';
import { basePath } from './plugins/base-path.ts';
import { callerAddress } from './plugins/caller-address.ts';
import { capConnections, edgeOptions } from './plugins/edges.ts';
import { addressLimit } from './plugins/address-limit.ts';
import { health } from './plugins/health.ts';
import { host } from './plugins/host.ts';
import { identity } from './plugins/identity.ts';
import { collectMethods } from './plugins/methods.ts';
import { openapi } from './plugins/openapi.ts';
import { operators } from './plugins/operators.ts';
import { problems } from './plugins/problems.ts';
import { safeHeaders } from './plugins/safe-headers.ts';
import { compileSerializer } from './plugins/serializer.ts';
import { tracing } from './plugins/tracing.ts';
import { compileValidator } from './plugins/validator.ts';
import { openParts } from './parts.ts';
import { registerRoutes } from './routes.ts';

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
  const { config, log, metrics, isChecked = () => true, bounds = {} } = deps;
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

  const parts = openParts(deps);
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
  server.addHook('onClose', () => parts.outcomes.stop());
  server.addHook('onClose', () => parts.operatorQueues.close());
  const drain = (): void => {
    draining = true;
    parts.drain();
  };
  server.addHook('preClose', (done) => {
    drain();
    parts.stop();
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
  await server.register(host);
  await server.register(openapi);
  const refuseOtherMethods = collectMethods(server);
  await server.register(health, { readiness });
  await server.register(addressLimit, { config });
  await server.register(identity, { config, denyList: parts.denyList, log, metrics });
  await server.register(operators, { config, failures: bounds.operatorFailures });
  await registerRoutes(server, deps, parts);
  refuseOtherMethods();
  await server.register(queueDashboard, { ...deps, operatorQueues: parts.operatorQueues, prefix: DASHBOARD_PATH });
  await parts.start();
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
