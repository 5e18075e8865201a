import { closest, distance } from 'fastest-levenshtein';
import { rangeOf } from '../address.ts';
import { ConfigSchema } from './config.ts';
import { droppedSettings, isRemoved } from './removed-settings.ts';

type Env = Readonly<Record<string, string | undefined>>;

const SETTINGS = Object.keys(ConfigSchema);
/** Read by `npm start` only. */
const NEIGHBOURS = ['API_PROCESSES', 'WORKER_PROCESSES'];
/** Names with one of these prefixes can only be meant for this service. */
const HEADS = /^(?:DB|REDIS|RATE_LIMIT|ADMISSION|EVENTS|STRIPE|JWT|WORKER|ORDER_BATCH|PAYMENT|OPERATOR|CHALLENGE)_/;
const MISTYPED_DISTANCE_MAX = 2;
const MISTYPED_LENGTH_MIN = 6;

/**
 * Warnings about accepted settings: names that are now constants or are probably mistyped, and
 * values that are probably wrong. They show no values.
 */
export function settingsAdvice(env: Env): string[] {
  return [...droppedSettings(env), ...mistyped(env), ...unused(env), ...trustsAll(env)];
}

function mistyped(env: Env): string[] {
  const known = new Set([...SETTINGS, ...SETTINGS.map((name) => `${name}_FILE`), ...NEIGHBOURS]);
  return Object.entries(env).flatMap(([name, value]) => {
    // Kubernetes sets such variables for its services.
    if (value === undefined || value === '' || known.has(name) || isRemoved(name) || /^tcp:\/\/|^$/.test(value))
      return [];
    if (/_SERVICE_(?:HOST|PORT)|_PORT_\d+_(?:TCP|UDP)/.test(name)) return [];
    const upper = name.toUpperCase();
    const nearest = closest(upper, [...known]);
    const isNear = name.length >= MISTYPED_LENGTH_MIN && distance(upper, nearest) <= MISTYPED_DISTANCE_MAX;
    return isNear || HEADS.test(name) ? [`${name} is no setting and is not read. The nearest name: ${nearest}`] : [];
  });
}

function unused(env: Env): string[] {
  return (['DB', 'REDIS'] as const).flatMap((server) => {
    const own = `${server}_TLS_CERT`;
    const isOff = /^\s*(?:false|0)?\s*$/i.test(env[`${server}_TLS`] ?? '');
    const isSafe = !isOff || env[`${server}_TLS_FILE`] || env[`${server}_URL`]?.trim().startsWith('rediss:') === true;
    return !env[own] || isSafe
      ? []
      : [`${own} has no effect without ${server}_TLS=true: the connection is not encrypted`];
  });
}

function trustsAll(env: Env): string[] {
  const ranges = (env['TRUSTED_PROXIES'] ?? '').split(',').map((text) => rangeOf(text.trim())?.cidr);
  return ranges.some((cidr) => cidr?.endsWith('/0') === true)
    ? ['TRUSTED_PROXIES believes every address: anybody can name any address as theirs, past limits and deny list']
    : [];
}
