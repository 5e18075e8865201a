import { contradictions } from './contradictions.ts';
import { withFiles } from './files.ts';
import { bracketed, pairOf, sentinelsOf } from './formats.ts';
import { refusal, shown } from './refusal.ts';
import { movedSettings } from './removed-settings.ts';
import { redisAccessOf, withServerUrls } from './server-urls.ts';
import { tokenFormatOf } from './token-format.ts';
import type { SettingSchema } from './setting-kinds.ts';
import { exampleOf, valueOf, wantedOf } from './setting-reader.ts';
import { ConfigSchema, type Config, type DerivedSettings, type Parsed } from './config-schema.ts';

export { ConfigSchema, type Config } from './config-schema.ts';

/** Invalid settings: one line each, to print without a stack. */
export class ConfigError extends Error {
  constructor(problems: readonly string[]) {
    super(`The configuration is not valid:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

const SETTINGS = Object.entries(ConfigSchema) as readonly (readonly [keyof Parsed, SettingSchema])[];

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
  const moved = movedSettings(env);
  if (moved.length > 0) throw new ConfigError(moved);
  const secrets = SECRET_SETTINGS.map((name) => env[name] ?? '').filter((value) => value !== '');
  const problems: string[] = [];
  const given = SETTINGS.flatMap(([name, schema]) => {
    const variable = env[name] ?? '';
    if (variable === '') return schema.default === undefined ? [] : [[name, schema.default] as const];
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
  const parsed = Object.fromEntries(given) as Parsed;
  const config: Config = { ...parsed, ...derivedSettings(parsed, env) };
  const contradictory = contradictions(config, parsed);
  if (contradictory.length > 0) throw new ConfigError(contradictory);
  return config;
}

function derivedSettings(parsed: Parsed, env: Variables): DerivedSettings {
  const [DRAIN_MS, SHUTDOWN_GRACE_MS] = pairOf(parsed.SHUTDOWN_MS);
  const [RATE_LIMIT_IP_PER_SECOND, RATE_LIMIT_IP_CAPACITY] = pairOf(parsed.RATE_LIMIT_IP);
  const [RATE_LIMIT_LEDGER_PER_SECOND, RATE_LIMIT_LEDGER_CAPACITY] = pairOf(parsed.RATE_LIMIT_LEDGER);
  const tokens = tokenFormatOf(parsed.JWT_FORMAT)!;
  const sentinels = parsed.REDIS_SENTINELS === undefined ? undefined : sentinelsOf(parsed.REDIS_SENTINELS);
  return {
    AUTH_MODE: parsed.AUTH_MODE ?? (parsed.NODE_ENV === 'production' ? 'jwt' : 'trusted'),
    PAYMENT_PROVIDER: parsed.PAYMENT_PROVIDER ?? 'sandbox',
    PUBLIC_URL: parsed.PUBLIC_URL ?? ownUrl(parsed.SERVER_HOST, parsed.SERVER_PORT),
    STOREFRONT: parsed.STOREFRONT ?? parsed.NODE_ENV !== 'production',
    TRACING: namesCollector(env),
    DRAIN_MS,
    SHUTDOWN_GRACE_MS,
    RATE_LIMIT_IP_PER_SECOND,
    RATE_LIMIT_IP_CAPACITY,
    RATE_LIMIT_LEDGER_PER_SECOND,
    RATE_LIMIT_LEDGER_CAPACITY,
    JWT_ALGORITHM: tokens.alg,
    JWT_SUBJECT_CLAIM: tokens.sub,
    JWT_AUDIENCE_CLAIM: tokens.aud,
    JWT_CLOCK_TOLERANCE_SECONDS: Number(tokens.tolerance),
    ...redisAccessOf(env),
    ...(sentinels === undefined ? {} : { REDIS_SENTINELS: sentinels.addresses }),
    REDIS_SENTINEL_USERNAME: sentinels?.username ?? '',
    REDIS_SENTINEL_PASSWORD: sentinels?.password ?? '',
    DB_TLS: parsed.DB_TLS !== 'false',
    ...(isSwitch(parsed.DB_TLS) ? {} : { DB_TLS_CA: parsed.DB_TLS }),
    REDIS_TLS: parsed.REDIS_TLS !== 'false',
    ...(isSwitch(parsed.REDIS_TLS) ? {} : { REDIS_TLS_CA: parsed.REDIS_TLS }),
  };
}

const isSwitch = (value: string): boolean => value === 'true' || value === 'false';

/** By the variables of OpenTelemetry, which reads them itself. */
const namesCollector = (env: Variables): boolean =>
  !/^true$/i.test(env['OTEL_SDK_DISABLED'] ?? '') &&
  ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'].some((name) => (env[name] ?? '') !== '');

/** Where a program on this machine reaches something that listens on `host`. */
export function ownUrl(serverHost: string, serverPort: number): string {
  const anyHosts: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1' };
  return `http://${bracketed(anyHosts[serverHost] ?? serverHost)}:${serverPort}`;
}

/** Whether the URL of the API is not known from the settings: it listens on any free port. */
export const hasUnknownUrl = ({ SERVER_HOST, PUBLIC_URL }: Pick<Config, 'SERVER_HOST' | 'PUBLIC_URL'>): boolean =>
  PUBLIC_URL === ownUrl(SERVER_HOST, 0);

/** The names of the settings whose values must not appear in a log. */
export const SECRET_SETTINGS: readonly (keyof Parsed)[] = SETTINGS.flatMap(([name, schema]) =>
  schema.secret === true ? [name] : [],
);

/** One row of a table in docs/configuration.md. */
export interface ConfigRow {
  readonly name: string;
  readonly default: string;
  readonly description: string;
}

/** The settings as rows, in the order of their declaration. */
export function configRows(): ConfigRow[] {
  return SETTINGS.map(([name, { default: value = '', description }]) => ({
    name,
    default: String(value),
    description,
  }));
}
