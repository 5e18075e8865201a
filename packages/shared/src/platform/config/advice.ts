import { closest, distance } from 'fastest-levenshtein';
import { rangeOf } from '../address.ts';
import { ConfigSchema } from './config.ts';

type Env = Readonly<Record<string, string | undefined>>;

const SETTINGS = Object.keys(ConfigSchema.properties);
/** Read by `npm start` only. */
const NEIGHBOURS = ['API_PROCESSES', 'WORKER_PROCESSES'];
/** Settings of the last version. Nobody had a reason to change them, so each is a constant now. */
const NOW_CONSTANTS: ReadonlySet<string> = new Set([
  'ADMISSION_CALLS_MAX',
  'ADMISSION_WAITING_MAX',
  'AUDIT_INTERVAL_MS',
  'CHALLENGE_RAISE_PER_SECOND',
  'DB_WAITING_MAX',
  'EVENTS_CONCURRENCY',
  'EVENTS_TIMEOUT_MS',
  'HEADERS_TIMEOUT_MS',
  'HEADER_BYTES_MAX',
  'IDLE_TIMEOUT_MS',
  'METRICS_SALES_MAX',
  'OPERATOR_FAILURES_CAPACITY',
  'OPERATOR_FAILURES_PER_MINUTE',
  'POLL_WAITERS_MAX',
  'PRODUCT_CACHE_MS',
  'REDIS_MEMORY_MAX_PERCENT',
  'REQUEST_TIMEOUT_MS',
  'SHARD_BACKLOG_MAX',
  'WORKER_STUCK_AFTER_SECONDS',
]);
/** Names with one of these prefixes can only be meant for this service. */
const HEADS = /^(?:DB|REDIS|RATE_LIMIT|ADMISSION|EVENTS|STRIPE|JWT|WORKER|ORDER_BATCH|PAYMENT|OPERATOR|CHALLENGE)_/;
const MISTYPED_DISTANCE_MAX = 2;
const MISTYPED_LENGTH_MIN = 6;

/**
 * Warnings about accepted settings: names that are now constants or are probably mistyped, and
 * values that are probably wrong. They show no values.
 */
export function settingsAdvice(env: Env): string[] {
  return [...removed(env), ...mistyped(env), ...unused(env), ...trustsAll(env)];
}

function removed(env: Env): string[] {
  return Object.entries(env).flatMap(([name, value]) =>
    value && NOW_CONSTANTS.has(name) ? [`${name} is now a constant and is not read: remove it`] : [],
  );
}

function mistyped(env: Env): string[] {
  const known = new Set([...SETTINGS, ...SETTINGS.map((name) => `${name}_FILE`), ...NEIGHBOURS]);
  return Object.entries(env).flatMap(([name, value]) => {
    // Kubernetes sets such variables for its services.
    if (value === undefined || value === '' || known.has(name) || NOW_CONSTANTS.has(name) || /^tcp:\/\/|^$/.test(value))
      return [];
    if (/_SERVICE_(?:HOST|PORT)|_PORT_\d+_(?:TCP|UDP)/.test(name)) return [];
    const upper = name.toUpperCase();
    const nearest = closest(upper, [...known]);
    const isNear = name.length >= MISTYPED_LENGTH_MIN && distance(upper, nearest) <= MISTYPED_DISTANCE_MAX;
    return isNear || HEADS.test(name) ? [`${name} is no setting and is not read. The nearest name: ${nearest}`] : [];
  });
}

function unused(env: Env): string[] {
  const isOn = (name: string): boolean => /^(?:true|1)$/i.test(env[name] ?? '');
  return (['DB', 'REDIS'] as const).flatMap((server) => {
    const settings = SETTINGS.filter((name) => name.startsWith(`${server}_TLS_`) && env[name]);
    const isSafe = isOn(`${server}_TLS`) || env[`${server}_URL`]?.trim().startsWith('rediss:') === true;
    return settings.length === 0 || isSafe
      ? []
      : [`${settings.join(', ')} has no effect without ${server}_TLS=true: the connection is not encrypted`];
  });
}

function trustsAll(env: Env): string[] {
  const ranges = (env['TRUSTED_PROXIES'] ?? '').split(',').map((text) => rangeOf(text.trim())?.cidr);
  return ranges.some((cidr) => cidr?.endsWith('/0') === true)
    ? ['TRUSTED_PROXIES believes every address: anybody can name any address as theirs, past limits and deny list']
    : [];
}
