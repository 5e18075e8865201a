import type { ConfigRow } from '@flash-sale/shared/platform/config/config.ts';
import { markdownTable } from './markdown-table.ts';

/** The settings to decide first for a production deployment. */
export const FIRST_SETTINGS = [
  'NODE_ENV',
  'DB_URL',
  'REDIS_URL',
  'PUBLIC_URL',
  'TRUSTED_PROXIES',
  'AUTH_MODE',
  'JWKS_URL',
  'ADMIN_TOKEN',
  'PAYMENT_PROVIDER',
  'RATE_LIMIT_GLOBAL_PER_SECOND',
] as const;

const GROUPS: readonly (readonly [title: string, names: RegExp])[] = [
  ['HTTP', /^(SERVER_|PUBLIC_URL$|TRUSTED_PROXIES$|CORS_|KEEP_ALIVE_|STOREFRONT$)/],
  ['MySQL', /^DB_/],
  ['Redis', /^(REDIS_|SHARDS$)/],
  ['Shoppers and access tokens', /^(AUTH_|JWT_|JWKS_)/],
  ['Operators', /^(ADMIN_|VIEWER_)/],
  ['Payment', /^(PAYMENT_|CURRENCY$|STRIPE_)/],
  ['Seckill tokens, rate limits and proof of work', /^(TOKEN_|TOKENS_|RATE_LIMIT_|CHALLENGE_)/],
  ['Waiting rooms', /^(PASS_|PASSES_)/],
  ['Admission and overload', /^(BACKLOG_|EVENT_LOOP_)/],
  ['Worker', /^WORKER_(?!OPS_)/],
  ['Order events', /^EVENTS_/],
  ['Retention', /^(RETENTION_|ARCHIVE_)/],
  ['Process, logs and ops ports', /^(NODE_ENV$|LOG_|OPS_|API_OPS_|WORKER_OPS_|SHUTDOWN_)/],
];

/**
 * The tables of docs/configuration.md: the ten settings that matter first, then the others by
 * group. Each setting is in one table.
 *
 * @throws Error if a setting has no group, or if a setting that matters first does not exist
 */
export function settingsTables(settings: readonly ConfigRow[]): string {
  const first = FIRST_SETTINGS.map((name) => {
    const setting = settings.find((one) => one.name === name);
    if (setting === undefined) throw new Error(`${name} is listed first but is not a setting`);
    return setting;
  });
  const others = settings.filter((one) => !first.includes(one));
  const homeless = others.filter(({ name }) => groupOf(name) === undefined).map(({ name }) => name);
  if (homeless.length > 0) throw new Error(`Add to a group in settings-tables.ts: ${homeless.join(', ')}`);
  const grouped = GROUPS.flatMap(([title]) => {
    const members = others.filter(({ name }) => groupOf(name) === title);
    return members.length === 0 ? [] : [section(title, members)];
  });
  return [section('The ten that matter first', first), ...grouped].join('\n\n');
}

const groupOf = (name: string): string | undefined => GROUPS.find(([, names]) => names.test(name))?.[0];

function section(title: string, settings: readonly ConfigRow[]): string {
  const rows = settings.map(({ name, default: value, description }) => [
    `\`${name}\``,
    value === '' ? '' : `\`${value}\``,
    description,
  ]);
  return `### ${title}\n\n${markdownTable(['Variable', 'Default', 'What it is'], rows)}`;
}
