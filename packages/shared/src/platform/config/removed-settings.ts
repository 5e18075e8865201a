type Env = Readonly<Record<string, string | undefined>>;

/**
 * Settings that were replaced by others. A process does not start with them, since it would ignore
 * them.
 */
const MOVED: Readonly<Record<string, string>> = {
  DB_TLS_CA: 'put the certificates into DB_TLS',
  DB_TLS_KEY: 'put the key after the certificate in DB_TLS_CERT',
  DRAIN_MS: 'set SHUTDOWN_MS=drain/grace',
  JWT_ALGORITHM: 'set JWT_FORMAT=alg=…',
  JWT_AUDIENCE_CLAIM: 'set JWT_FORMAT=aud=…',
  JWT_CLOCK_TOLERANCE_SECONDS: 'set JWT_FORMAT=tolerance=…',
  JWT_SUBJECT_CLAIM: 'set JWT_FORMAT=sub=…',
  RATE_LIMIT_IP_CAPACITY: 'set RATE_LIMIT_IP=rate/burst',
  RATE_LIMIT_IP_PER_SECOND: 'set RATE_LIMIT_IP=rate/burst',
  REDIS_DB: 'put the number at the end of REDIS_URL',
  REDIS_SENTINEL_MASTER: 'make it the host of REDIS_URL',
  REDIS_SENTINEL_PASSWORD: 'put user:password@ before the first address in REDIS_SENTINELS',
  REDIS_SENTINEL_USERNAME: 'put user:password@ before the first address in REDIS_SENTINELS',
  REDIS_TLS_CA: 'put the certificates into REDIS_TLS',
  REDIS_TLS_KEY: 'put the key after the certificate in REDIS_TLS_CERT',
  REDIS_USERNAME: 'put the user into REDIS_URL=redis://user@host:port',
  SHUTDOWN_GRACE_MS: 'set SHUTDOWN_MS=drain/grace',
};

const FIXED = 'the value is fixed';

/** Settings that have no effect any more. */
const DROPPED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(
    [
      'ADMISSION_BATCH_MAX',
      'ADMISSION_CALLS_MAX',
      'ADMISSION_WAITING_MAX',
      'AUDIT_INTERVAL_MS',
      'CHALLENGE_RAISE_PER_SECOND',
      'CONNECTIONS_MAX',
      'DB_WAITING_MAX',
      'EVENTS_CONCURRENCY',
      'EVENTS_GIVE_UP_SECONDS',
      'EVENTS_TIMEOUT_MS',
      'HEADERS_TIMEOUT_MS',
      'HEADER_BYTES_MAX',
      'IDLE_TIMEOUT_MS',
      'METRICS_SALES_MAX',
      'OPERATOR_FAILURES_CAPACITY',
      'OPERATOR_FAILURES_PER_MINUTE',
      'ORDER_BATCH_MAX',
      'POLL_WAITERS_MAX',
      'PRODUCT_CACHE_MS',
      'REDIS_MEMORY_MAX_PERCENT',
      'REQUEST_TIMEOUT_MS',
      'SHARD_BACKLOG_MAX',
      'WORKER_STUCK_AFTER_SECONDS',
    ].map((name) => [name, FIXED]),
  ),
  REDIS_TLS_SERVER_NAME: 'a certificate with a name in REDIS_ADDR or REDIS_SENTINELS is accepted at any address',
  TRACING: 'traces are on if OTEL_EXPORTER_OTLP_ENDPOINT is set',
};

export const isRemoved = (name: string): boolean =>
  Object.hasOwn(MOVED, name.replace(/_FILE$/, '')) || Object.hasOwn(DROPPED, name.replace(/_FILE$/, ''));

/** A line for each setting that is set and that another one says now. */
export const movedSettings = (env: Env): string[] => linesOf(MOVED, env);

/** A line for each setting that is set and has no effect any more. */
export const droppedSettings = (env: Env): string[] => linesOf(DROPPED, env);

function linesOf(removed: Readonly<Record<string, string>>, env: Env): string[] {
  return Object.entries(removed).flatMap(([name, what]) =>
    [name, `${name}_FILE`].some((variable) => (env[variable] ?? '') !== '')
      ? [`${name} is not a setting any more: ${what}`]
      : [],
  );
}
