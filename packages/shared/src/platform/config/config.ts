import { isIP } from 'node:net';
import Type, { type Static } from 'typebox';
import Value from 'typebox/value';
import { withFiles } from './files.ts';
import {
  bracketed,
  certificatesFormat,
  currencyFormat,
  endpointsFormat,
  hostFormat,
  listOf,
  matching,
  originFormat,
  privateKeyFormat,
  publicUrlFormat,
  rangesFormat,
  webUrlFormat,
  type Format,
} from './formats.ts';
import { refusal, shown } from './refusal.ts';
import { withServerUrls } from './server-urls.ts';
import { tlsProblems } from './tls.ts';

/** The form of a text setting. Numbers, switches and choices describe their own form. */
interface Shape {
  /** The form, in words that follow "it must be". */
  readonly wanted: string;
  readonly example: string;
  /**
   * Returns a text in its canonical form, or undefined if it does not fit. Not set if every
   * non-blank text fits.
   */
  readonly read?: Format;
  readonly default?: string;
}

const text = (description: string, shape: Shape) => Type.String({ description, ...shape });
const count = (description: string, value: number, minimum: number, maximum: number) =>
  Type.Integer({ description, default: value, minimum, maximum });
const port = (description: string, value: number) => count(description, value, 0, 65_535);
const flag = (description: string) => Type.Boolean({ description, default: false });
/** A text that must not appear in a log. Its leading and trailing spaces belong to it. */
const secret = (description: string, shape: Shape) => Type.String({ description, ...shape, secret: true });
const host = (description: string, value: string) =>
  text(description, {
    default: value,
    read: hostFormat,
    wanted: 'a host name or an address alone: no scheme, port, path or socket (the port is a setting of its own)',
    example: value,
  });
const endpoints = { read: endpointsFormat, wanted: 'host:port, or several separated by commas; IPv6 in brackets' };
const certificates = (description: string) =>
  Type.Optional(
    Type.String({
      description,
      read: certificatesFormat,
      isHidden: true,
      wanted: 'certificates in PEM, not the path of a file with them: that goes into the same name with _FILE',
      example: '-----BEGIN CERTIFICATE-----…',
    }),
  );
const privateKey = (description: string) =>
  Type.Optional(
    secret(description, {
      read: privateKeyFormat,
      wanted:
        'a private key in PEM without a passphrase, not the path of a file with it: that goes into the same name with _FILE',
      example: '-----BEGIN PRIVATE KEY-----…',
    }),
  );
/** A text that may have any content. */
const password = (description: string) =>
  secret(description, {
    default: '',
    read: matching(/^[^\r\n]+$/),
    wanted: 'a password in one line',
    example: 'the output of: openssl rand -hex 32',
  });
/** Sent in a header, which cannot hold spaces and other alphabets. */
const operatorToken = (description: string) =>
  Type.Optional(
    secret(description, {
      read: matching(/^[\x21-\x7e]+$/),
      wanted: 'visible ASCII characters without blanks, also at its ends',
      example: 'the output of: openssl rand -hex 32',
    }),
  );
/** A shorter token could be guessed by many addresses at once. */
const OPERATOR_TOKEN_LENGTH_MIN = 16;
/** Text for key names. Braces would change the hash tag. */
const keyText = (description: string) =>
  text(description, {
    default: '',
    read: matching(/^[A-Za-z0-9:_.-]{0,64}$/),
    wanted: 'up to 64 letters, digits and : _ . -',
    example: 'shop:',
  });
/** Exact names, separated by commas. */
const names = (example: string) => ({
  read: listOf(matching(/^[^,\s]+$/)),
  wanted: 'one text without blanks, or several separated by commas',
  example,
});
/** The name of a claim. Providers' own claims are often URLs. `WWW-Authenticate` quotes it. */
const claim = (description: string, value: string, example: string) =>
  text(description, {
    default: value,
    read: matching(/^[\x21\x23-\x5b\x5d-\x7e]{1,200}$/),
    wanted: 'the name of a claim: up to 200 visible ASCII characters without " and \\',
    example,
  });

/**
 * Every setting of both processes: the only place for names, defaults and bounds. `npm run docs`
 * writes them to docs/configuration.md.
 */
export const ConfigSchema = Type.Object({
  NODE_ENV: Type.Enum(['development', 'test', 'production'], {
    description: 'Set `production` in production: unsafe settings are then refused instead of warned about',
    default: 'development',
  }),
  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    description: 'Lowest level that is logged. Set `debug` to follow a fault, `warn` to log less',
    default: 'info',
  }),
  TRACING: flag(
    'Sends traces to an OpenTelemetry collector. Turn it on if you run one; the standard `OTEL_*` variables say where it is',
  ),
  SERVER_HOST: host('Address that the API listens on. Set it to listen on one network only', '0.0.0.0'),
  SERVER_PORT: port(
    'Port of the API, shared by all api processes of a machine; 0: any free one. Set it if the port is taken',
    8080,
  ),
  OPS_HOST: host(
    'Address that the ops ports listen on. Set `0.0.0.0` in a container, so that probes and Prometheus reach them',
    '127.0.0.1',
  ),
  API_OPS_PORT: port(
    'Ops port of an api process (`/healthz /readyz /metrics`); 0: any free one. Set it for each api process of a machine',
    9100,
  ),
  WORKER_OPS_PORT: port(
    'Ops port of a worker process; 0: any free one. Set it for each worker process of a machine',
    9200,
  ),
  CORS_ORIGINS: Type.Optional(
    text(
      'Origins, separated by commas, whose pages may call the API from a browser. Set it if the shop has another origin than the API. Default: none',
      {
        read: listOf(originFormat),
        wanted: 'origins with their scheme and without a path, separated by commas; * is not taken',
        example: 'https://shop.example.com',
      },
    ),
  ),
  KEEP_ALIVE_TIMEOUT_MS: count(
    'How long a connection waits for its next request, ms. Raise it above the idle time-out of your load balancer',
    65_000,
    100,
    3_600_000,
  ),
  CONNECTIONS_MAX: count(
    'Open connections per api process; one more is closed. Lower it to stay within the limit of open files, raise it for more waiting shoppers',
    20_000,
    1,
    1_000_000,
  ),
  DB_URL: Type.Optional(
    secret(
      '`mysql://user:password@host:port/name`. Set it if your host gives a URL; `DB_HOST` and the others must not say anything else',
      {
        wanted: 'a URL',
        example: 'mysql://seckill:p%40ss@mysql.internal:3306/seckill',
      },
    ),
  ),
  DB_HOST: host('Host of MySQL or MariaDB. Set it if it is on another machine', '127.0.0.1'),
  DB_PORT: count('Port of MySQL. Set it if the server uses another port', 3306, 1, 65_535),
  DB_USER: text('User of MySQL. Set one with no more rights than the service needs', {
    default: 'root',
    wanted: 'a user name',
    example: 'seckill',
  }),
  DB_PASSWORD: password('Password of the MySQL user. Set it if the server asks for one'),
  DB_NAME: text('Database, created if missing. Set it if several services share a server', {
    default: 'seckill',
    read: matching(/^[A-Za-z0-9_$-]{1,48}$/),
    wanted: 'the name of a database: 1 to 48 letters, digits and _ $ -',
    example: 'flash-sale',
  }),
  // At least 5: the services of a worker run in parallel.
  DB_POOL_MAX: count(
    'MySQL connections of a process’s pool, at least 5. Raise it if `seckill_mysql_pool_waits_total` grows, lower it if MySQL runs out of connections',
    10,
    5,
    1_000,
  ),
  DB_TLS: flag(
    'Connects to MySQL by TLS only, and checks its certificate and host name. Turn it on if others can read the network',
  ),
  DB_TLS_CA: certificates(
    'Certificates, PEM, that must have signed that of MySQL. Set it if your own authority signs. Default: those that Node.js trusts',
  ),
  DB_TLS_CERT: certificates('Own certificate, PEM. Set it if MySQL asks for one'),
  DB_TLS_KEY: privateKey('Key of that certificate, PEM. Set it with `DB_TLS_CERT`'),
  REDIS_URL: Type.Optional(
    secret(
      '`redis://user:password@host:port/number`, `rediss://` for TLS. Set it if your host gives a URL; `REDIS_ADDR` and the others must not say anything else',
      { wanted: 'a URL', example: 'rediss://default:p%40ss@redis.internal:6379/0' },
    ),
  ),
  REDIS_ADDR: text('`host:port` of Redis. Set several, separated by commas, for a cluster', {
    ...endpoints,
    default: '127.0.0.1:6379',
    example: 'redis.internal:6379',
  }),
  REDIS_USERNAME: text(
    'User of Redis. Set it if Redis has users of its own (ACL). Default: the user that Redis names `default`',
    {
      default: '',
      read: matching(/^\S+$/),
      wanted: 'a user name without blanks',
      example: 'flash-sale',
    },
  ),
  REDIS_PASSWORD: password('Password of the Redis user. Set it if the server asks for one'),
  REDIS_DB: count(
    'Number of the Redis database. Set it if several services share a Redis; a cluster has 0 only',
    0,
    0,
    9_999,
  ),
  REDIS_CLUSTER: flag('Turn it on if the addresses are those of a Redis Cluster'),
  REDIS_SENTINELS: Type.Optional(
    text(
      '`host:port` of each Redis Sentinel, separated by commas. Set it if Sentinels name the master; `REDIS_ADDR` is then not used',
      { ...endpoints, example: 'sentinel-0:26379,sentinel-1:26379,[fd00::3]:26379' },
    ),
  ),
  REDIS_SENTINEL_MASTER: text('Name of the master that the Sentinels watch. Set it if yours has another name', {
    default: 'mymaster',
    read: matching(/^[A-Za-z0-9._-]+$/),
    wanted: 'the name in the Sentinels’ configuration: letters, digits and . _ -',
    example: 'mymaster',
  }),
  REDIS_SENTINEL_USERNAME: text(
    'User of the Sentinels. Set it if they have users of their own (ACL). Default: the user that they name `default`',
    {
      default: '',
      read: matching(/^\S+$/),
      wanted: 'a user name without blanks',
      example: 'flash-sale',
    },
  ),
  REDIS_SENTINEL_PASSWORD: password('Password of the Sentinels. Set it if they ask for one'),
  REDIS_TLS: flag(
    'Connects to Redis by TLS only, and checks its certificate and host name. Turn it on if others can read the network',
  ),
  REDIS_TLS_CA: certificates(
    'Certificates, PEM, that must have signed that of Redis. Set it if your own authority signs. Default: those that Node.js trusts',
  ),
  REDIS_TLS_CERT: certificates('Own certificate, PEM. Set it if Redis asks for one'),
  REDIS_TLS_KEY: privateKey('Key of that certificate, PEM. Set it with `REDIS_TLS_CERT`'),
  REDIS_TLS_SERVER_NAME: Type.Optional(
    text(
      'Name in the certificate of Redis. Set it if the name is not the host that is connected to, as with a cluster that gives addresses. Default: that host',
      {
        read: hostFormat,
        wanted: 'a host name',
        example: 'redis.internal',
      },
    ),
  ),
  REDIS_PREFIX: keyText('Start of every Redis key. Set it if several services share a Redis'),
  REDIS_TIMEOUT_MS: count(
    'A Redis call of a request that takes longer answers `unavailable`, ms. Raise it if Redis is slow or far away',
    900,
    50,
    10_000,
  ),
  SHARDS: count(
    'Shards that new sales are spread over. Raise it if one Redis is full and you move to a cluster',
    1,
    1,
    1_024,
  ),
  AUTH_MODE: Type.Optional(
    Type.Enum(['trusted', 'jwt'], {
      description:
        'How shoppers are known. `trusted`: `user_id` is believed, set it behind a gateway that authenticates; `jwt`: by access tokens. Default: `trusted`, in production `jwt`',
    }),
  ),
  JWT_SECRET: Type.Optional(
    secret('HS256 secret of access tokens, at least 32 bytes. Set it if your own service signs them', {
      read: (value) => (Buffer.byteLength(value) >= 32 ? value : undefined),
      wanted: 'at least 32 bytes long',
      example: 'the output of: openssl rand -hex 32',
    }),
  ),
  JWKS_URL: Type.Optional(
    text('Key set of the identity provider. Set it if one signs the access tokens', {
      read: webUrlFormat,
      wanted: 'an http or https URL without credentials',
      example: 'https://identity.example.com/.well-known/jwks.json',
    }),
  ),
  JWT_ALGORITHM: Type.Enum(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'], {
    description: 'The only algorithm that is accepted with `JWKS_URL`. Set it to `alg` of your access tokens',
    default: 'RS256',
  }),
  JWT_ISSUER: Type.Optional(
    text(
      'Value of `iss` in access tokens, or several separated by commas. Production needs it with `JWKS_URL`',
      names('https://identity.example.com/'),
    ),
  ),
  JWT_AUDIENCE: Type.Optional(
    text(
      'Audience of access tokens, or several separated by commas. Production needs it with `JWKS_URL`',
      names('flash-sale'),
    ),
  ),
  JWT_AUDIENCE_CLAIM: claim(
    'Claim with the audience. Set it if your provider uses another, such as `client_id` or `azp`',
    'aud',
    'azp',
  ),
  JWT_SUBJECT_CLAIM: claim(
    'Claim with the shopper’s id. Set it if your provider uses another, such as `oid`',
    'sub',
    'oid',
  ),
  JWT_CLOCK_TOLERANCE_SECONDS: count(
    'How far the clock of your provider may differ, s. Raise it if valid access tokens are refused as not valid yet',
    30,
    0,
    300,
  ),
  ADMIN_TOKEN: operatorToken(
    'Operator token that may read and change. Set it to use the operators’ calls, which are closed without it',
  ),
  VIEWER_TOKEN: operatorToken('Operator token that may only read. Set it for people and tools that only watch'),
  TOKEN_SECRETS: Type.Optional(
    secret(
      'Secrets of seckill tokens, separated by commas: the first signs, all verify. Set it to rotate them yourself. Default: one that is made once and kept in MySQL',
      {
        read: listOf(matching(/^[^\s,]{16,}$/)),
        wanted: 'secrets of at least 16 characters without blanks, separated by commas',
        example: 'the output of: openssl rand -hex 32',
      },
    ),
  ),
  TOKEN_TTL_SECONDS: count(
    'How long a seckill token is valid, s. Raise it if shoppers take theirs long before the sale starts',
    300,
    1,
    86_400,
  ),
  TRUSTED_PROXIES: Type.Optional(
    text(
      'Addresses or CIDRs, separated by commas, whose `X-Forwarded-For` is believed. Set it if a proxy or load balancer is in front',
      {
        read: rangesFormat,
        wanted: 'addresses, or CIDRs with a prefix of up to 32 (IPv4) or 128 (IPv6), separated by commas',
        example: '10.0.0.0/8,fd00::/8',
      },
    ),
  ),
  PAYMENT_PROVIDER: Type.Optional(
    Type.Enum(['sandbox', 'stripe'], {
      description:
        'Who takes the money. Set `stripe` to take real money. Default: `sandbox`, which takes none; production must name one',
    }),
  ),
  PAYMENT_TIMEOUT_SECONDS: count(
    'Time to pay after the order is written, s. Lower it to sell unpaid units again sooner',
    900,
    1,
    604_800,
  ),
  CURRENCY: text('ISO 4217 code of all prices, of a currency with two decimals. Set it to the currency of your shop', {
    default: 'CNY',
    read: currencyFormat,
    wanted: 'three capital letters of ISO 4217, of a currency that is divided into a hundred',
    example: 'EUR',
  }),
  PUBLIC_URL: Type.Optional(
    text(
      'URL at which shoppers and payment providers reach the API. Set it if a proxy is in front; its path is the one that the proxy adds. Default: this machine',
      {
        read: publicUrlFormat,
        wanted:
          'an http or https URL without credentials, ? and #, whose path is not /api, /docs, /admin, /healthz or /readyz',
        example: 'https://shop.example.com/sale',
      },
    ),
  ),
  STRIPE_SECRET_KEY: Type.Optional(
    secret('API key of Stripe. Set it if Stripe takes the money', {
      read: matching(/^[\x21-\x7e]+$/),
      wanted: 'visible ASCII characters without blanks',
      example: 'sk_live_…, from Stripe’s dashboard',
    }),
  ),
  STRIPE_WEBHOOK_SECRET: Type.Optional(
    secret('Signing secret of the webhooks of Stripe. Set it if Stripe takes the money', {
      read: matching(/^[\x21-\x7e]+$/),
      wanted: 'visible ASCII characters without blanks',
      example: 'whsec_…, from Stripe’s dashboard',
    }),
  ),
  RATE_LIMIT_GLOBAL_CAPACITY: count(
    'Buys of all shoppers that may arrive at once. Raise it with what your servers can take',
    10_000,
    1,
    10_000_000,
  ),
  RATE_LIMIT_GLOBAL_PER_SECOND: count(
    'Buys of all shoppers per second, after a burst of `RATE_LIMIT_GLOBAL_CAPACITY`. Raise it with what your servers can take',
    1_000,
    1,
    1_000_000,
  ),
  RATE_LIMIT_USER_CAPACITY: count(
    'Buys of one shopper that may arrive at once. Raise it if honest shoppers see 429',
    5,
    1,
    1_000_000,
  ),
  RATE_LIMIT_USER_PER_SECOND: count(
    'Buys of one shopper per second, after a burst of `RATE_LIMIT_USER_CAPACITY`. Raise it if honest shoppers see 429',
    5,
    1,
    1_000_000,
  ),
  RATE_LIMIT_IP_CAPACITY: count(
    'Calls of one address that may arrive at once, per api process: seckill tokens, challenges, logins, products, wrong access tokens. Raise it if many shoppers share an address',
    2_000,
    1,
    1_000_000,
  ),
  RATE_LIMIT_IP_PER_SECOND: count(
    'Calls of one address per second, after a burst of `RATE_LIMIT_IP_CAPACITY`. Raise it if many shoppers share an address; outside production this machine has no limit',
    200,
    1,
    1_000_000,
  ),
  TOKENS_PER_UNIT: count(
    'Live seckill tokens that a sale may have for each unit; 0: no limit. Set it to close the door once enough shoppers are in',
    0,
    0,
    1_000,
  ),
  CHALLENGE_BITS: count(
    'Work before a seckill token, as the power of two of hashes; 4 or more, 0: none. Set 16 or more against bots',
    0,
    0,
    32,
  ),
  ADMISSION_BATCH_MAX: count(
    'Buys in one micro-batch and so orders in one job. Raise it to 200 if Redis is at 100 % CPU with one sale',
    100,
    1,
    500,
  ),
  BACKLOG_MAX: count(
    'Orders of a sale that wait to be written; more buys are shed. Lower it if shoppers wait too long for their orders or Redis is short of memory',
    200_000,
    1,
    10_000_000,
  ),
  EVENT_LOOP_DELAY_MAX_MS: count(
    'Delay of the event loop from which an api process sheds seckill tokens and buys, ms. Raise it on a slow machine if buys are shed too early',
    250,
    10,
    60_000,
  ),
  WORKER_CONCURRENCY: count(
    'Jobs of a shard that one worker process works on at once. Raise it for many sales at once, lower it to spare MySQL',
    16,
    1,
    1_000,
  ),
  ORDER_BATCH_MAX: count(
    'Orders in one transaction. Raise it to 1,000 if the backlog of one sale grows and MySQL is idle, lower it if `max_allowed_packet` is small',
    500,
    1,
    1_000,
  ),
  EVENTS_URL: Type.Optional(
    text(
      'URL that order events are posted to. Set it in api and worker processes alike if another system must hear of orders. Default: no events',
      {
        read: webUrlFormat,
        wanted: 'an http or https URL without credentials',
        example: 'https://orders.example.com/events',
      },
    ),
  ),
  EVENTS_SECRET: Type.Optional(
    secret(
      'Secrets that sign order events, separated by commas: `whsec_` and 24 to 64 bytes in base64. Set it with `EVENTS_URL`, two of them to rotate',
      {
        read: listOf(matching(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/)),
        wanted: 'whsec_ and 24 to 64 bytes in base64, or several separated by commas',
        example: 'the output of: echo whsec_$(openssl rand -base64 32)',
      },
    ),
  ),
  EVENTS_GIVE_UP_SECONDS: count(
    'Time after which an undelivered order event is given up, s. Raise it if your receiver may be down for longer than a day',
    86_400,
    1,
    2_592_000,
  ),
  RETENTION_DAYS: Type.Optional(
    Type.Integer({
      description:
        'Days after its end until a closed sale is archived and deleted. Set it to keep personal data no longer than you must. Default: never',
      minimum: 2,
      maximum: 36_500,
    }),
  ),
  ARCHIVE_DIR: Type.Optional(
    text(
      'Folder of the archives. Set it with `RETENTION_DAYS`, to one that outlives the worker processes and that all of them share',
      {
        wanted: 'the path of a folder',
        example: '/var/lib/flash-sale/archive',
      },
    ),
  ),
  DRAIN_MS: count(
    'How long an api process goes on after SIGTERM, ms. Raise it if your load balancer takes longer to stop sending requests',
    500,
    0,
    60_000,
  ),
  SHUTDOWN_GRACE_MS: count(
    'Time to finish open requests and batches after SIGTERM, ms. Keep it below the time after which your platform kills',
    7_000,
    100,
    600_000,
  ),
});

type Parsed = Static<typeof ConfigSchema>;

/** The checked settings of a process. Defaults that depend on other settings are filled in. */
export type Config = Readonly<
  Parsed & { AUTH_MODE: 'trusted' | 'jwt'; PAYMENT_PROVIDER: 'sandbox' | 'stripe'; PUBLIC_URL: string }
>;

/** Invalid settings: one line each, to print without a stack. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(`The configuration is not valid:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/** The parts of a setting's schema that reading and explaining need. */
interface SettingSchema extends Partial<Shape> {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly secret?: boolean;
  readonly isHidden?: boolean;
}

const SETTINGS = Object.entries(ConfigSchema.properties) as unknown as readonly (readonly [
  keyof Parsed,
  SettingSchema,
])[];

/**
 * A variable's text, converted to its setting's type and canonical form; undefined if it does not
 * fit.
 */
function valueOf(schema: SettingSchema, variable: string): string | number | boolean | undefined {
  // `echo` and editors add a line break to a secret. Spaces may be part of it.
  const given = schema.secret === true ? variable.replace(/[\r\n]+$/, '') : variable.trim();
  if (given === '') return undefined;
  switch (schema.type) {
    case 'integer': {
      const number = /^-?\d{1,15}$/.test(given) ? Number(given) : NaN;
      return number >= schema.minimum! && number <= schema.maximum! ? number : undefined;
    }
    case 'boolean':
      return /^(?:true|false|1|0)$/i.test(given) ? /^(?:true|1)$/i.test(given) : undefined;
    default:
      if (schema.enum !== undefined) return schema.enum.includes(given) ? given : undefined;
      return schema.read === undefined ? given : schema.read(given);
  }
}

function wantedOf({ type, enum: choices, minimum, maximum, wanted }: SettingSchema): string {
  if (type === 'integer') return `a whole number from ${minimum} to ${maximum}, in digits alone`;
  if (type === 'boolean') return 'true or false';
  return choices === undefined ? wanted! : `one of ${choices.join(', ')}`;
}

function exampleOf(schema: SettingSchema): string {
  if (schema.type === 'boolean') return 'true';
  return schema.example ?? String(schema.default ?? schema.minimum ?? schema.enum?.[0]);
}

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Returns the variables with the contents of files instead of their paths, such as `DB_PASSWORD`
 * for `DB_PASSWORD_FILE`.
 *
 * @throws ConfigError with every file that cannot be used
 */
export function readSettingFiles(variables: Variables): Variables {
  const { env, problems } = withFiles(
    variables,
    SETTINGS.map(([name]) => name),
    SECRET_SETTINGS,
  );
  if (problems.length > 0) throw new ConfigError(problems);
  return env;
}

/**
 * Returns the variables with every setting under its own name: file contents instead of paths, and
 * the parts of `DB_URL` and `REDIS_URL`.
 *
 * @throws ConfigError with every file and URL that cannot be used
 */
export function readSettingSources(variables: Variables): Variables {
  const { env, problems } = withServerUrls(readSettingFiles(variables));
  if (problems.length > 0) throw new ConfigError(problems);
  return env;
}

/**
 * Reads and checks the settings. An empty variable counts as not set; `NAME_FILE` names a file that
 * holds the value of `NAME`.
 *
 * @throws ConfigError with every variable that does not fit: its value, the required form, and an
 * example
 */
export function loadConfig(variables: Variables): Config {
  const env = readSettingSources(variables);
  const secrets = SECRET_SETTINGS.map((name) => env[name] ?? '').filter((value) => value !== '');
  const problems: string[] = [];
  const given = SETTINGS.flatMap(([name, schema]) => {
    const variable = env[name] ?? '';
    if (variable === '') return [];
    const value = valueOf(schema, variable);
    if (value !== undefined) return [[name, value] as const];
    const isHidden =
      schema.secret === true || schema.isHidden === true || secrets.some((one) => variable.includes(one));
    problems.push(
      refusal(
        `${name} is ${shown(variable, isHidden)}`,
        `It must be ${wantedOf(schema)}`,
        `${name}=${exampleOf(schema)}`,
      ),
    );
    return [];
  });
  if (problems.length > 0) throw new ConfigError(problems);
  const parsed = Value.Default(ConfigSchema, Object.fromEntries(given)) as Parsed;
  const config: Config = {
    ...parsed,
    AUTH_MODE: parsed.AUTH_MODE ?? (parsed.NODE_ENV === 'production' ? 'jwt' : 'trusted'),
    PAYMENT_PROVIDER: parsed.PAYMENT_PROVIDER ?? 'sandbox',
    PUBLIC_URL: parsed.PUBLIC_URL ?? ownUrl(parsed.SERVER_HOST, parsed.SERVER_PORT),
  };
  const contradictions = [...problemsOf(config, parsed), ...tlsProblems(config)];
  if (contradictions.length > 0) throw new ConfigError(contradictions);
  return config;
}

/** The URL at which a program on this machine reaches a server that listens on `host`. */
export function ownUrl(serverHost: string, serverPort: number): string {
  const anyHosts: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  return `http://${bracketed(anyHosts[serverHost] ?? serverHost)}:${serverPort}`;
}

/** Whether the URL of the API is not known from the settings: it listens on any free port. */
export const hasUnknownUrl = ({ SERVER_HOST, PUBLIC_URL }: Pick<Config, 'SERVER_HOST' | 'PUBLIC_URL'>): boolean =>
  PUBLIC_URL === ownUrl(SERVER_HOST, 0);

/** The problems of settings that are valid alone, but not together. */
function problemsOf(config: Config, parsed: Parsed): string[] {
  return [
    ...paymentProblems(config, parsed),
    ...serverProblems(config),
    ...identityProblems(config),
    ...otherProblems(config),
  ];
}

function paymentProblems(config: Config, parsed: Parsed): string[] {
  const problems: string[] = [];
  const production = config.NODE_ENV === 'production';
  if (production && parsed.PAYMENT_PROVIDER === undefined) {
    problems.push(
      refusal(
        'PAYMENT_PROVIDER is not set',
        'PAYMENT_PROVIDER must be named in production: the sandbox, its default, pays without money',
        'PAYMENT_PROVIDER=stripe',
      ),
    );
  }
  if (config.PAYMENT_PROVIDER !== 'stripe') return problems;
  if (config.STRIPE_SECRET_KEY === undefined || config.STRIPE_WEBHOOK_SECRET === undefined) {
    problems.push(
      refusal(
        'PAYMENT_PROVIDER is "stripe", and a secret of Stripe is not set',
        'PAYMENT_PROVIDER=stripe needs STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRET',
        'STRIPE_SECRET_KEY=sk_live_… STRIPE_WEBHOOK_SECRET=whsec_…',
      ),
    );
  }
  if ((production || config.SERVER_PORT === 0) && parsed.PUBLIC_URL === undefined) {
    problems.push(
      refusal(
        'PUBLIC_URL is not set',
        'PAYMENT_PROVIDER=stripe in production, or with SERVER_PORT=0, needs PUBLIC_URL: where shoppers come back to after they paid',
        'PUBLIC_URL=https://shop.example.com',
      ),
    );
  }
  return problems;
}

function serverProblems(config: Config): string[] {
  const problems: string[] = [];
  if (config.REDIS_CLUSTER && config.REDIS_SENTINELS !== undefined) {
    problems.push(
      refusal(
        'REDIS_CLUSTER is true, and REDIS_SENTINELS is set',
        'REDIS_CLUSTER and REDIS_SENTINELS exclude each other: a cluster promotes its replicas by itself',
        'REDIS_CLUSTER=true REDIS_ADDR=redis-0:6379,redis-1:6379',
      ),
    );
  }
  if (config.REDIS_CLUSTER && config.REDIS_DB !== 0) {
    problems.push(
      refusal(
        `REDIS_CLUSTER is true, and REDIS_DB is ${config.REDIS_DB}`,
        'A cluster has database 0 only',
        'REDIS_DB=0',
      ),
    );
  }
  if (!config.REDIS_CLUSTER && config.REDIS_ADDR.includes(',')) {
    problems.push(
      refusal(
        `REDIS_ADDR is ${shown(config.REDIS_ADDR, false)}, and REDIS_CLUSTER is false`,
        'Several addresses are those of a cluster, or of Sentinels; else the others would not be used',
        'REDIS_CLUSTER=true, or REDIS_ADDR=redis-0:6379',
      ),
    );
  }
  // mysql2 compares the certificate of an address with the name localhost.
  if (config.DB_TLS && isIP(config.DB_HOST) !== 0) {
    problems.push(
      refusal(
        `DB_HOST is ${shown(config.DB_HOST, false)}`,
        'DB_TLS needs a name in DB_HOST, not an address',
        'DB_HOST=mysql.internal',
      ),
    );
  }
  return problems;
}

function identityProblems(config: Config): string[] {
  const problems: string[] = [];
  const production = config.NODE_ENV === 'production';
  const { AUTH_MODE, JWT_SECRET, JWKS_URL } = config;
  if (AUTH_MODE === 'jwt' && (JWT_SECRET === undefined) === (JWKS_URL === undefined)) {
    problems.push(
      refusal(
        `AUTH_MODE is "jwt", and ${JWT_SECRET === undefined ? 'neither JWT_SECRET nor' : 'both JWT_SECRET and'} JWKS_URL is set`,
        'AUTH_MODE=jwt needs either JWT_SECRET or JWKS_URL',
        'JWKS_URL=https://identity.example.com/.well-known/jwks.json',
      ),
    );
  }
  if (AUTH_MODE === 'trusted' && production && config.TRUSTED_PROXIES === undefined) {
    problems.push(
      refusal(
        'AUTH_MODE is "trusted", and TRUSTED_PROXIES is not set',
        'AUTH_MODE=trusted in production needs TRUSTED_PROXIES: the gateway that authenticates shoppers',
        'TRUSTED_PROXIES=10.0.0.0/8',
      ),
    );
  }
  if (production && JWKS_URL !== undefined && new URL(JWKS_URL).protocol === 'http:') {
    problems.push(
      refusal(
        `JWKS_URL is ${shown(JWKS_URL, false)}`,
        'JWKS_URL in production must be https: an attacker who changes the answer can sign access tokens',
        'JWKS_URL=https://identity.example.com/.well-known/jwks.json',
      ),
    );
  }
  if (production && JWKS_URL !== undefined && (config.JWT_ISSUER === undefined || config.JWT_AUDIENCE === undefined)) {
    problems.push(
      refusal(
        'JWKS_URL is set, and JWT_ISSUER or JWT_AUDIENCE is not',
        'JWKS_URL in production needs JWT_ISSUER and JWT_AUDIENCE: its keys sign for other services, too',
        'JWT_ISSUER=https://identity.example.com/ JWT_AUDIENCE=flash-sale',
      ),
    );
  }
  if (config.JWT_AUDIENCE_CLAIM !== 'aud' && config.JWT_AUDIENCE === undefined) {
    problems.push(
      refusal(
        `JWT_AUDIENCE_CLAIM is ${shown(config.JWT_AUDIENCE_CLAIM, false)}, and JWT_AUDIENCE is not set`,
        'JWT_AUDIENCE_CLAIM needs JWT_AUDIENCE: the value that the claim must have',
        'JWT_AUDIENCE=flash-sale',
      ),
    );
  }
  if (config.VIEWER_TOKEN !== undefined && config.VIEWER_TOKEN === config.ADMIN_TOKEN) {
    problems.push(
      refusal(
        'VIEWER_TOKEN and ADMIN_TOKEN are the same',
        'VIEWER_TOKEN must not be ADMIN_TOKEN: it may change nothing',
        'VIEWER_TOKEN=the output of: openssl rand -hex 32',
      ),
    );
  }
  for (const name of ['ADMIN_TOKEN', 'VIEWER_TOKEN'] as const) {
    const length = config[name]?.length ?? OPERATOR_TOKEN_LENGTH_MIN;
    if (production && length < OPERATOR_TOKEN_LENGTH_MIN) {
      problems.push(
        refusal(
          `${name} is ${shown(config[name]!, true)}`,
          `${name} in production needs at least ${OPERATOR_TOKEN_LENGTH_MIN} characters`,
          `${name}=the output of: openssl rand -hex 32`,
        ),
      );
    }
  }
  return problems;
}

function otherProblems(config: Config): string[] {
  const problems: string[] = [];
  if (config.EVENTS_URL !== undefined && config.EVENTS_SECRET === undefined) {
    problems.push(
      refusal(
        'EVENTS_URL is set, and EVENTS_SECRET is not',
        'EVENTS_URL needs EVENTS_SECRET, by which its receiver knows that an event is ours',
        'EVENTS_SECRET=the output of: echo whsec_$(openssl rand -base64 32)',
      ),
    );
  }
  if (config.RETENTION_DAYS !== undefined && config.ARCHIVE_DIR === undefined) {
    problems.push(
      refusal(
        `RETENTION_DAYS is ${config.RETENTION_DAYS}, and ARCHIVE_DIR is not set`,
        'RETENTION_DAYS needs ARCHIVE_DIR: nothing is deleted that is not archived',
        'ARCHIVE_DIR=/var/lib/flash-sale/archive',
      ),
    );
  }
  if (config.CHALLENGE_BITS > 0 && config.CHALLENGE_BITS < 4) {
    problems.push(
      refusal(
        `CHALLENGE_BITS is ${config.CHALLENGE_BITS}`,
        'CHALLENGE_BITS must be 0, or at least 4',
        'CHALLENGE_BITS=16',
      ),
    );
  }
  return problems;
}

/** The names of the settings that must not appear in a log. */
export const SECRET_SETTINGS: readonly (keyof Parsed)[] = Object.entries(ConfigSchema.properties).flatMap(
  ([name, schema]) => ('secret' in schema && schema.secret === true ? [name as keyof Parsed] : []),
);

/** One row of a table in docs/configuration.md. */
export interface ConfigRow {
  readonly name: string;
  readonly default: string;
  readonly description: string;
}

/** The settings as rows, in the order of their declaration. */
export function configRows(): ConfigRow[] {
  return Object.entries(ConfigSchema.properties).map(([name, schema]) => {
    const { default: value, description } = schema as unknown as {
      default?: string | number | boolean;
      description: string;
    };
    return { name, default: value === undefined || value === '' ? '' : String(value), description };
  });
}
