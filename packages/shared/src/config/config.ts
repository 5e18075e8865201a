import { isIP } from 'node:net';
import Type, { type Static } from 'typebox';
import Value from 'typebox/value';
import { withFiles } from './files.ts';

const text = (description: string, options: Record<string, unknown> = {}) => Type.String({ description, ...options });
const count = (description: string, value: number, minimum: number, maximum: number) =>
  Type.Integer({ description, default: value, minimum, maximum });
const port = (description: string, value: number) => count(description, value, 0, 65_535);
const flag = (description: string) => Type.Boolean({ description, default: false });
const pem = (description: string, options: Record<string, unknown> = {}) =>
  Type.Optional(text(description, { ...options, pattern: '^\\s*-----BEGIN [A-Z0-9 ]+-----[\\s\\S]+$' }));
/** Text that nobody may read in a log. */
const secret = (description: string, options: Record<string, unknown> = {}) =>
  text(description, { ...options, secret: true });
const ORIGIN = 'https?://[A-Za-z0-9.:[\\]-]+';
/** Shorter ones can be guessed, by many addresses at once. */
const OPERATOR_TOKEN_LENGTH_MIN = 16;
/** Text that ends up in key names, where braces would move the hash tag. */
const keyText = (description: string) => text(description, { default: '', pattern: '^[A-Za-z0-9:_.-]{0,64}$' });

const WEBHOOK_SECRET = 'whsec_[A-Za-z0-9+/]{32,88}={0,2}';
/** `host:port`, once or more. */
const ADDRESSES = '^[^\\s,:]+:[0-9]{1,5}(,[^\\s,:]+:[0-9]{1,5})*$';
/** Values separated by commas, none of them empty. */
const NAMES = { pattern: '^[^,\\s]+(,[^,\\s]+)*$' };
/** The name of a claim; providers' own are often URLs. `WWW-Authenticate` quotes it. */
const CLAIM = '^[\\x21\\x23-\\x5b\\x5d-\\x7e]{1,200}$';

/**
 * Every setting of both processes: the one place where a name, a default and a bound are written. The README's table
 * is generated from it.
 */
export const ConfigSchema = Type.Object({
  NODE_ENV: Type.Enum(['development', 'test', 'production'], {
    description: '`production` refuses unsafe settings instead of warning',
    default: 'development',
  }),
  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    description: 'lowest level that is logged',
    default: 'info',
  }),
  TRACING: flag('send traces to an OpenTelemetry collector, as the standard `OTEL_*` variables say'),
  SERVER_HOST: text('address the API listens on', { default: '0.0.0.0', minLength: 1 }),
  SERVER_PORT: port('port of the API, shared by all api processes of a machine; 0: any free one', 8080),
  OPS_HOST: text('address of the ops ports', { default: '127.0.0.1', minLength: 1 }),
  API_OPS_PORT: port('ops port of an api process (`/healthz /readyz /metrics`)', 9100),
  WORKER_OPS_PORT: port('ops port of a worker process', 9200),
  CORS_ORIGINS: Type.Optional(
    text('origins, separated by commas, whose pages may call the API from a browser. Default: none', {
      pattern: `^${ORIGIN}(,${ORIGIN})*$`,
    }),
  ),
  HEADERS_TIMEOUT_MS: count('a request whose headers take longer to come is cut off, ms', 5_000, 100, 600_000),
  REQUEST_TIMEOUT_MS: count('a request that takes longer to come as a whole is cut off, ms', 10_000, 100, 600_000),
  KEEP_ALIVE_TIMEOUT_MS: count(
    'how long a connection waits for its next request, ms; longer than what a load balancer in front waits',
    65_000,
    100,
    3_600_000,
  ),
  IDLE_TIMEOUT_MS: count(
    'a connection on which nothing moves for this long within a request is cut off, ms; longer than a long poll',
    60_000,
    30_000,
    3_600_000,
  ),
  HEADER_BYTES_MAX: count('bytes of the headers of a request', 16_384, 1_024, 65_536),
  CONNECTIONS_MAX: count('connections open at once, per api process; one more is closed', 20_000, 1, 1_000_000),
  DB_HOST: text('MySQL or MariaDB host', { default: '127.0.0.1', minLength: 1 }),
  DB_PORT: count('MySQL port', 3306, 1, 65_535),
  DB_USER: text('MySQL user', { default: 'root', minLength: 1 }),
  DB_PASSWORD: secret('MySQL password', { default: '' }),
  DB_NAME: text('database; created if missing', { default: 'seckill', pattern: '^[A-Za-z0-9_]{1,48}$' }),
  // At least 5: a worker's services work side by side.
  DB_POOL_MAX: count('MySQL connections of a process’s pool, at least 5', 10, 5, 1_000),
  DB_WAITING_MAX: count('queries that wait for a connection of a pool; one more fails at once', 1_000, 1, 1_000_000),
  DB_TLS: flag('connects to MySQL by TLS only, and checks its certificate and host name'),
  DB_TLS_CA: pem('certificates, PEM, that MySQL’s must be signed by. Default: those that Node.js trusts'),
  DB_TLS_CERT: pem('own certificate, PEM, where MySQL asks for one'),
  DB_TLS_KEY: pem('key of that certificate, PEM', { secret: true }),
  REDIS_ADDR: text('`host:port` of Redis; several, separated by commas, seed a cluster', {
    default: '127.0.0.1:6379',
    pattern: ADDRESSES,
  }),
  REDIS_PASSWORD: secret('Redis password', { default: '' }),
  REDIS_CLUSTER: flag('the addresses are a Redis Cluster'),
  REDIS_SENTINELS: Type.Optional(
    text(
      '`host:port` of each Redis Sentinel, separated by commas: they name the master, and `REDIS_ADDR` is not used',
      {
        pattern: ADDRESSES,
      },
    ),
  ),
  REDIS_SENTINEL_MASTER: text('name of the master that the Sentinels watch over', {
    default: 'mymaster',
    pattern: '^[A-Za-z0-9._-]+$',
  }),
  REDIS_SENTINEL_PASSWORD: secret('password of the Sentinels', { default: '' }),
  REDIS_TLS: flag('connects to Redis by TLS only, and checks its certificate and host name'),
  REDIS_TLS_CA: pem('certificates, PEM, that Redis’s must be signed by. Default: those that Node.js trusts'),
  REDIS_TLS_CERT: pem('own certificate, PEM, where Redis asks for one'),
  REDIS_TLS_KEY: pem('key of that certificate, PEM', { secret: true }),
  REDIS_TLS_SERVER_NAME: Type.Optional(
    text('name that Redis’s certificate must have. Default: the host that is connected to', { minLength: 1 }),
  ),
  REDIS_PREFIX: keyText('put before every Redis key, so that services can share a Redis'),
  REDIS_TIMEOUT_MS: count('a Redis call of a request that takes longer answers `unavailable`, ms', 900, 50, 10_000),
  SHARDS: count('shards that new sales are spread over', 1, 1, 1_024),
  AUTH_MODE: Type.Optional(
    Type.Enum(['trusted', 'jwt'], {
      description:
        '`trusted`: `user_id` is believed (behind a gateway); `jwt`: access tokens. Default: `trusted`, in production `jwt`',
    }),
  ),
  JWT_SECRET: Type.Optional(secret('HS256 secret of access tokens, at least 32 bytes', { minLength: 32 })),
  JWKS_URL: Type.Optional(text('key set that signs access tokens', { pattern: '^https?://' })),
  JWT_ALGORITHM: Type.Enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'], {
    description: 'the one algorithm that is accepted with `JWKS_URL`',
    default: 'RS256',
  }),
  JWT_ISSUER: Type.Optional(
    text('`iss` that access tokens must have, to the letter; one of several separated by commas', NAMES),
  ),
  JWT_AUDIENCE: Type.Optional(
    text('audience that access tokens must be for; one of several separated by commas', NAMES),
  ),
  JWT_AUDIENCE_CLAIM: text('claim that holds the audience, such as `client_id` or `azp`', {
    default: 'aud',
    pattern: CLAIM,
  }),
  JWT_SUBJECT_CLAIM: text('claim that holds the shopper’s id, such as `oid`', { default: 'sub', pattern: CLAIM }),
  JWT_CLOCK_TOLERANCE_SECONDS: count('how far the clock of the issuer may differ from ours, s', 30, 0, 300),
  ADMIN_TOKEN: Type.Optional(secret('operator token; without one the operators’ calls are closed', { minLength: 1 })),
  VIEWER_TOKEN: Type.Optional(secret('operator token that may read and change nothing', { minLength: 1 })),
  OPERATOR_FAILURES_CAPACITY: count('wrong operator tokens that an address may send in a row', 10, 1, 10_000),
  OPERATOR_FAILURES_PER_MINUTE: count('after that, wrong operator tokens of an address per minute', 10, 1, 10_000),
  TOKEN_SECRETS: Type.Optional(
    secret(
      'secrets of seckill tokens, separated by commas: the first signs, all verify. Default: one made once and kept in MySQL',
      {
        pattern: '^[^\\s,]{16,}(,[^\\s,]{16,})*$',
      },
    ),
  ),
  TOKEN_TTL_SECONDS: count('life of a seckill token, s', 300, 1, 86_400),
  TRUSTED_PROXIES: Type.Optional(
    text('CIDRs, separated by commas, whose `X-Forwarded-For` is believed', {
      pattern: '^[0-9a-fA-F.:/]+(,[0-9a-fA-F.:/]+)*$',
    }),
  ),
  PAYMENT_PROVIDER: Type.Optional(
    Type.Enum(['sandbox', 'stripe'], {
      description: 'who takes the money. Default: `sandbox`, which takes none; in production it must be named',
    }),
  ),
  PAYMENT_TIMEOUT_SECONDS: count('time to pay, counted from the commit, s', 900, 1, 604_800),
  CURRENCY: text('ISO 4217 code of all prices; one with two decimals', { default: 'CNY', pattern: '^[A-Z]{3}$' }),
  PUBLIC_URL: Type.Optional(
    text('where shoppers and payment providers reach the API. Default: this machine', {
      pattern: '^https?://[^\\s]+[^/\\s]$',
    }),
  ),
  STRIPE_SECRET_KEY: Type.Optional(secret('API key of Stripe', { minLength: 1 })),
  STRIPE_WEBHOOK_SECRET: Type.Optional(secret('signing secret of Stripe’s webhooks', { minLength: 1 })),
  RATE_LIMIT_GLOBAL_CAPACITY: count('burst of the global bucket, buys', 10_000, 1, 10_000_000),
  RATE_LIMIT_GLOBAL_PER_SECOND: count('refill of the global bucket, buys/s', 1_000, 1, 1_000_000),
  RATE_LIMIT_USER_CAPACITY: count('burst of a shopper’s bucket, buys', 5, 1, 1_000_000),
  RATE_LIMIT_USER_PER_SECOND: count('refill of a shopper’s bucket, buys/s', 5, 1, 1_000_000),
  RATE_LIMIT_IP_CAPACITY: count(
    'burst of an address, per api process: seckill tokens, challenges, logins, products, wrong access tokens',
    2_000,
    1,
    1_000_000,
  ),
  RATE_LIMIT_IP_PER_SECOND: count(
    'refill of an address’s bucket, calls/s; outside production loopback has no limit',
    200,
    1,
    1_000_000,
  ),
  TOKENS_PER_UNIT: count('live seckill tokens that a sale may have, per unit; 0: no limit', 0, 0, 1_000),
  CHALLENGE_BITS: count(
    'work before a seckill token, as the power of two of hashes expected; 4 or more, such as 16; 0: none',
    0,
    0,
    32,
  ),
  CHALLENGE_RAISE_PER_SECOND: count(
    'challenges/s of an api process from which on the work grows: one bit more for each doubling, 6 at most',
    500,
    1,
    1_000_000,
  ),
  ADMISSION_BATCH_MAX: count('buys in one micro-batch and so orders in one job', 100, 1, 500),
  ADMISSION_CALLS_MAX: count('micro-batches of a sale in flight at once, per api process', 1, 1, 64),
  ADMISSION_WAITING_MAX: count(
    'buys that wait for their micro-batch, per api process; one more is shed',
    10_000,
    1,
    1_000_000,
  ),
  BACKLOG_MAX: count('orders of a sale that wait for the ledger; more buys are shed', 200_000, 1, 10_000_000),
  SHARD_BACKLOG_MAX: count('the same for all sales of a shard together', 1_000_000, 1, 100_000_000),
  EVENT_LOOP_DELAY_MAX_MS: count(
    'an api process whose event loop lags more than this sheds seckill tokens and buys, ms',
    250,
    10,
    60_000,
  ),
  REDIS_MEMORY_MAX_PERCENT: count(
    'share of Redis’s `maxmemory` from which on seckill tokens and buys are shed, %',
    80,
    1,
    100,
  ),
  POLL_WAITERS_MAX: count(
    'long polls open at once, per api process; one more is answered at once',
    10_000,
    0,
    1_000_000,
  ),
  PRODUCT_CACHE_MS: count('how long a product’s answer is reused, ms', 200, 0, 60_000),
  WORKER_CONCURRENCY: count('jobs of a shard active at once, per worker process', 16, 1, 1_000),
  WORKER_STUCK_AFTER_SECONDS: count(
    'a worker process that is done with none of the jobs that wait, for this long, fails `/healthz`, s',
    60,
    1,
    86_400,
  ),
  ORDER_BATCH_MAX: count('orders in one transaction', 500, 1, 1_000),
  AUDIT_INTERVAL_MS: count('pause between two audits of all sales, ms', 10_000, 100, 86_400_000),
  EVENTS_URL: Type.Optional(
    text('where order events are posted to, in api and worker processes alike. Default: no events', {
      pattern: '^https?://[^\\s/@]+(/[^\\s]*)?$',
    }),
  ),
  EVENTS_SECRET: Type.Optional(
    secret('secrets that sign order events, separated by commas: `whsec_` and 24 to 64 bytes in base64', {
      pattern: `^${WEBHOOK_SECRET}(,${WEBHOOK_SECRET})*$`,
    }),
  ),
  EVENTS_TIMEOUT_MS: count('an order event’s receiver that takes longer is tried again, ms', 5_000, 100, 6_000),
  EVENTS_CONCURRENCY: count('deliveries of order events in flight at once', 8, 1, 64),
  EVENTS_GIVE_UP_SECONDS: count('an order event that is not delivered by then is dead, s', 86_400, 1, 2_592_000),
  RETENTION_DAYS: Type.Optional(
    Type.Integer({
      description: 'days after its end from which on a closed sale is archived and deleted. Default: never',
      minimum: 2,
      maximum: 36_500,
    }),
  ),
  ARCHIVE_DIR: Type.Optional(
    text('folder of the archives; one that outlives the worker processes and that all of them share', { minLength: 1 }),
  ),
  METRICS_SALES_MAX: count('sales of a shard that have figures of their own in the metrics at once', 50, 1, 10_000),
  DRAIN_MS: count(
    'how long an api process goes on after SIGTERM, so that balancers and kept-alive clients leave it, ms',
    500,
    0,
    60_000,
  ),
  SHUTDOWN_GRACE_MS: count('time to finish open requests and batches after SIGTERM, ms', 7_000, 100, 600_000),
});

type Parsed = Static<typeof ConfigSchema>;

/** The settings of a process, checked. Those whose default depends on others are decided. */
export type Config = Readonly<
  Parsed & { AUTH_MODE: 'trusted' | 'jwt'; PAYMENT_PROVIDER: 'sandbox' | 'stripe'; PUBLIC_URL: string }
>;

/** Settings that do not fit: one sentence each, fit to print without a stack. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(`The configuration is not valid:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/**
 * A variable's text in the type of its setting. What does not look like it stays text and fails the check: typebox's own conversion would
 * read `1.5` as 1 and blanks as 0.
 */
function typed(schema: object, value: string): string | number | boolean {
  const type = 'type' in schema ? schema.type : undefined;
  if (type === 'integer' && /^-?\d{1,15}$/.test(value)) return Number(value);
  if (type === 'boolean' && /^(true|false|1|0)$/i.test(value)) return /^(true|1)$/i.test(value);
  return value;
}

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * The same variables with the contents of files in place of their paths, such as `DB_PASSWORD` for `DB_PASSWORD_FILE`.
 *
 * @throws ConfigError naming every file that cannot be used
 */
export function readSettingFiles(variables: Variables): Variables {
  const { env, problems } = withFiles(variables, Object.keys(ConfigSchema.properties));
  if (problems.length > 0) throw new ConfigError(problems);
  return env;
}

/**
 * Reads and checks the settings. An empty variable counts as unset; `NAME_FILE` names a file that holds the value of `NAME`.
 *
 * @throws ConfigError naming every variable that does not fit
 */
export function loadConfig(variables: Variables): Config {
  const env = readSettingFiles(variables);
  const given = Object.entries(ConfigSchema.properties).flatMap(([name, schema]) => {
    const value = env[name] ?? '';
    return value === '' ? [] : [[name, typed(schema, value)]];
  });
  const parsed = Value.Default(ConfigSchema, Object.fromEntries(given)) as Parsed;
  const problems = Value.Errors(ConfigSchema, parsed).map((error) => `${error.instancePath.slice(1)} ${error.message}`);
  if (problems.length > 0) throw new ConfigError([...new Set(problems)]);

  const production = parsed.NODE_ENV === 'production';
  const config: Config = {
    ...parsed,
    AUTH_MODE: parsed.AUTH_MODE ?? (production ? 'jwt' : 'trusted'),
    PAYMENT_PROVIDER: parsed.PAYMENT_PROVIDER ?? 'sandbox',
    PUBLIC_URL: parsed.PUBLIC_URL ?? `http://127.0.0.1:${parsed.SERVER_PORT}`,
  };
  if (production && parsed.PAYMENT_PROVIDER === undefined) {
    problems.push('PAYMENT_PROVIDER must be named in production: the sandbox pays without money');
  }
  const { STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET } = config;
  if (
    config.PAYMENT_PROVIDER === 'stripe' &&
    (STRIPE_SECRET_KEY === undefined || STRIPE_WEBHOOK_SECRET === undefined)
  ) {
    problems.push('PAYMENT_PROVIDER=stripe needs STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET');
  }
  if (production && config.PAYMENT_PROVIDER === 'stripe' && parsed.PUBLIC_URL === undefined) {
    problems.push(
      'PAYMENT_PROVIDER=stripe in production needs PUBLIC_URL: where shoppers come back to after they paid',
    );
  }
  if (config.EVENTS_URL !== undefined && config.EVENTS_SECRET === undefined) {
    problems.push('EVENTS_URL needs EVENTS_SECRET, by which its receiver knows that an event is ours');
  }
  if (config.RETENTION_DAYS !== undefined && config.ARCHIVE_DIR === undefined) {
    problems.push('RETENTION_DAYS needs ARCHIVE_DIR: nothing is deleted that is not archived');
  }
  if (config.REDIS_CLUSTER && config.REDIS_SENTINELS !== undefined) {
    problems.push('REDIS_CLUSTER and REDIS_SENTINELS exclude each other: a cluster promotes its replicas by itself');
  }
  if (!hasCents(config.CURRENCY)) {
    problems.push(`CURRENCY ${config.CURRENCY} is not divided into a hundred, as all prices are here`);
  }
  if (config.HEADERS_TIMEOUT_MS > config.REQUEST_TIMEOUT_MS) {
    problems.push('HEADERS_TIMEOUT_MS must not be longer than REQUEST_TIMEOUT_MS');
  }
  for (const server of ['DB', 'REDIS'] as const) {
    if ((config[`${server}_TLS_CERT`] === undefined) !== (config[`${server}_TLS_KEY`] === undefined)) {
      problems.push(`${server}_TLS_CERT and ${server}_TLS_KEY go together`);
    }
  }
  // mysql2 checks the certificate of an address against the name localhost.
  if (config.DB_TLS && isIP(config.DB_HOST) !== 0) problems.push('DB_TLS needs a name in DB_HOST, not an address');
  if (config.AUTH_MODE === 'jwt' && (config.JWT_SECRET === undefined) === (config.JWKS_URL === undefined)) {
    problems.push('AUTH_MODE=jwt needs either JWT_SECRET or JWKS_URL');
  }
  if (config.AUTH_MODE === 'trusted' && production && config.TRUSTED_PROXIES === undefined) {
    problems.push('AUTH_MODE=trusted in production needs TRUSTED_PROXIES: the gateway that authenticates shoppers');
  }
  if (production && config.JWKS_URL?.startsWith('http:') === true) {
    problems.push('JWKS_URL in production must be https: whoever can change it in transit signs access tokens');
  }
  if (
    production &&
    config.JWKS_URL !== undefined &&
    (config.JWT_ISSUER === undefined || config.JWT_AUDIENCE === undefined)
  ) {
    problems.push('JWKS_URL in production needs JWT_ISSUER and JWT_AUDIENCE: its keys sign for other services, too');
  }
  if (config.JWT_AUDIENCE_CLAIM !== 'aud' && config.JWT_AUDIENCE === undefined) {
    problems.push('JWT_AUDIENCE_CLAIM needs JWT_AUDIENCE: the value that the claim must have');
  }
  if (config.CHALLENGE_BITS > 0 && config.CHALLENGE_BITS < 4) problems.push('CHALLENGE_BITS must be 0, or at least 4');
  if (config.VIEWER_TOKEN !== undefined && config.VIEWER_TOKEN === config.ADMIN_TOKEN) {
    problems.push('VIEWER_TOKEN must not be ADMIN_TOKEN: it may change nothing');
  }
  for (const name of ['ADMIN_TOKEN', 'VIEWER_TOKEN'] as const) {
    if (production && (config[name]?.length ?? OPERATOR_TOKEN_LENGTH_MIN) < OPERATOR_TOKEN_LENGTH_MIN) {
      problems.push(`${name} in production needs at least ${OPERATOR_TOKEN_LENGTH_MIN} characters`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

/** Whether a unit of the currency has a hundred parts, by the tables of ISO 4217 that come with the runtime. */
function hasCents(currency: string): boolean {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency });
  return format.resolvedOptions().maximumFractionDigits === 2;
}

/** The names of the settings that nobody may read in a log. */
export const SECRET_SETTINGS: readonly (keyof Parsed)[] = Object.entries(ConfigSchema.properties).flatMap(
  ([name, schema]) => ('secret' in schema && schema.secret === true ? [name as keyof Parsed] : []),
);

/** One row of the README's table. */
export interface ConfigRow {
  readonly name: string;
  readonly default: string;
  readonly description: string;
}

/** The settings as rows, in the order they are declared. */
export function configRows(): ConfigRow[] {
  return Object.entries(ConfigSchema.properties).map(([name, schema]) => {
    const { default: value, description } = schema as unknown as {
      default?: string | number | boolean;
      description: string;
    };
    return { name, default: value === undefined || value === '' ? '' : String(value), description };
  });
}
