import { settingsAdvice } from '../config/advice.ts';
import { loadConfig } from '../config/config.ts';
import { migrate } from '../mysql/migrate.ts';
import { connectRedis, type ConnectionUse, type RedisClient } from '../redis/client.ts';
import { createLogger } from '../telemetry/logger.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { startTracing } from '../telemetry/tracing.ts';

/** Does what every process of the service does first: reads its settings, opens its telemetry and migrates the database. */
export async function prepareProcess(name: 'api' | 'worker') {
  const config = loadConfig(process.env);
  const log = createLogger(config, name);
  for (const advice of settingsAdvice(process.env)) log.warn(advice);
  const metrics = createMetrics(name);
  const tracing = await startTracing(config, name);
  const migrations = await migrate(config);
  if (migrations.length > 0) log.info({ migrations }, 'database migrated');

  /** Opens a connection to Redis whose errors are logged. */
  const connect = (use: ConnectionUse): RedisClient => {
    const client = connectRedis(config, use, metrics);
    client.on('error', (error) => log.warn({ err: error, use }, 'Redis connection error'));
    return client;
  };
  return { config, log, metrics, tracing, connect };
}
