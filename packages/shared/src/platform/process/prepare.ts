import { settingsAdvice } from '../config/advice.ts';
import { loadConfig } from '../config/config.ts';
import { connectDb } from '../mysql/client.ts';
import { migrate } from '../mysql/migrate.ts';
import { connectRedis, type ConnectionUse, type RedisClient } from '../redis/client.ts';
import { createLogger } from '../telemetry/logger.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { startOpsServer, type Probes } from '../telemetry/ops-server.ts';
import { startTracing } from '../telemetry/tracing.ts';
import { onEndRequest } from './end-requests.ts';
import { exitProcess } from './exit.ts';
import { ServerReadiness } from './readiness.ts';
import { untilMysqlServes } from './server-wait.ts';

/** The use of a process's main connection to Redis. */
const REDIS_USE = { api: 'request', worker: 'background' } as const;

/**
 * Does what every process of the service does first: reads its settings, opens its telemetry and
 * its ops port, where it is alive and not ready, and migrates the database as soon as MySQL is
 * there.
 */
export async function prepareProcess(name: 'api' | 'worker') {
  const config = loadConfig(process.env);
  const log = createLogger(config, name);
  onEndRequest((reason) => {
    log.info({ reason }, 'stopped during the start');
    void exitProcess(0);
  });
  for (const advice of settingsAdvice(process.env)) log.warn(advice);
  const metrics = createMetrics(name);

  /** Opens a connection to Redis whose errors are logged. */
  const connect = (use: ConnectionUse): RedisClient => {
    const client = connectRedis(config, use, metrics);
    client.on('error', (error) => log.warn({ err: error, use }, 'Redis connection error'));
    return client;
  };
  const redis = connect(REDIS_USE[name]);
  const db = connectDb(config, 'general', metrics);
  const servers = new ServerReadiness({ redis, db });
  let probes: Probes = {
    readiness: async () => {
      const { redis: redisAnswers, mysql } = await servers.check();
      return { ready: false, redis: redisAnswers, mysql };
    },
  };
  const ops = await startOpsServer(
    { host: config.OPS_HOST, port: name === 'api' ? config.API_OPS_PORT : config.WORKER_OPS_PORT },
    {
      registry: metrics.registry,
      readiness: () => probes.readiness(),
      health: () => probes.health?.() ?? { status: 'ok' },
    },
  );
  log.info({ ops_port: ops.port }, 'starting');
  const tracing = await startTracing(config, name);
  const migrations = await untilMysqlServes(log, () => migrate(config));
  if (migrations.length > 0) log.info({ migrations }, 'database migrated');
  return {
    config,
    log,
    metrics,
    tracing,
    redis,
    db,
    servers,
    connect,
    ops,
    /** Replaces the answers of the ops port during the start. */
    setProbes: (next: Probes) => void (probes = next),
  };
}
