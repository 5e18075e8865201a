import type { Optional, SettingSchema } from './setting-kinds.ts';
import { processSettings } from './settings/process.ts';
import { httpSettings } from './settings/http.ts';
import { mysqlSettings } from './settings/mysql.ts';
import { redisSettings } from './settings/redis.ts';
import { identitySettings } from './settings/identity.ts';
import { paymentSettings } from './settings/payment.ts';
import { limitSettings } from './settings/limits.ts';
import { workerSettings } from './settings/worker.ts';

/**
 * Every setting of both processes. `npm run docs` writes them to docs/configuration.md.
 */
export const ConfigSchema = {
  ...processSettings,
  ...httpSettings,
  ...mysqlSettings,
  ...redisSettings,
  ...identitySettings,
  ...paymentSettings,
  ...limitSettings,
  ...workerSettings,
};

type Schemas = typeof ConfigSchema;
type ValueOf<Schema> = Schema extends SettingSchema<infer Value> ? Value : never;
type OptionalName = { [Name in keyof Schemas]: Schemas[Name] extends Optional ? Name : never }[keyof Schemas];

export type Parsed = { [Name in Exclude<keyof Schemas, OptionalName>]: ValueOf<Schemas[Name]> } & {
  [Name in OptionalName]?: ValueOf<Schemas[Name]>;
};

/** What several settings, or a part of one, mean. */
export interface DerivedSettings {
  readonly AUTH_MODE: 'trusted' | 'jwt';
  readonly PAYMENT_PROVIDER: 'sandbox' | 'stripe';
  readonly PUBLIC_URL: string;
  readonly STOREFRONT: boolean;
  /** Whether the environment names an OpenTelemetry collector. */
  readonly TRACING: boolean;
  readonly DRAIN_MS: number;
  readonly SHUTDOWN_GRACE_MS: number;
  readonly RATE_LIMIT_IP_PER_SECOND: number;
  readonly RATE_LIMIT_IP_CAPACITY: number;
  readonly RATE_LIMIT_LEDGER_PER_SECOND: number;
  readonly RATE_LIMIT_LEDGER_CAPACITY: number;
  readonly JWT_ALGORITHM: string;
  readonly JWT_SUBJECT_CLAIM: string;
  readonly JWT_AUDIENCE_CLAIM: string;
  readonly JWT_CLOCK_TOLERANCE_SECONDS: number;
  readonly REDIS_USERNAME: string;
  readonly REDIS_DB: number;
  readonly REDIS_SENTINELS?: string | undefined;
  readonly REDIS_SENTINEL_MASTER: string;
  readonly REDIS_SENTINEL_USERNAME: string;
  readonly REDIS_SENTINEL_PASSWORD: string;
  readonly DB_TLS: boolean;
  readonly DB_TLS_CA?: string | undefined;
  readonly REDIS_TLS: boolean;
  readonly REDIS_TLS_CA?: string | undefined;
}

/** The settings of a process, checked. Those whose default depends on others are decided. */
export type Config = Readonly<Omit<Parsed, keyof DerivedSettings>> & DerivedSettings;
