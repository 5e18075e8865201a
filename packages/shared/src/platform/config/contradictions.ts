import { isIP } from 'node:net';
import type { Config, Parsed } from './config-schema.ts';
import { refusal, shown } from './refusal.ts';
import { tlsProblems } from './tls.ts';

/** Shorter ones can be guessed, by many addresses at once. */
const OPERATOR_TOKEN_LENGTH_MIN = 16;

/** The problems of settings that are valid each by itself but do not fit together. */
export function contradictions(config: Config, parsed: Parsed): string[] {
  return [
    ...paymentProblems(config, parsed),
    ...serverProblems(config),
    ...identityProblems(config),
    ...otherProblems(config),
    ...tlsProblems(config),
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
        `REDIS_CLUSTER is true, and REDIS_URL names the database ${config.REDIS_DB}`,
        'A cluster has database 0 only',
        'REDIS_URL=redis://user:password@host:port',
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
  // mysql2 checks the certificate of an address against the name localhost.
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
  if (AUTH_MODE === 'trusted' && production && config.STOREFRONT) {
    problems.push(
      refusal(
        'STOREFRONT is true, and AUTH_MODE is "trusted"',
        'STOREFRONT in production needs AUTH_MODE=jwt: otherwise shoppers could take any name',
        'STOREFRONT=false, or AUTH_MODE=jwt',
      ),
    );
  }
  if (production && JWKS_URL !== undefined && new URL(JWKS_URL).protocol === 'http:') {
    problems.push(
      refusal(
        `JWKS_URL is ${shown(JWKS_URL, false)}`,
        'JWKS_URL in production must be https: whoever can change it in transit signs access tokens',
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
        `JWT_FORMAT says aud=${config.JWT_AUDIENCE_CLAIM}, and JWT_AUDIENCE is not set`,
        'The claim that aud names in JWT_FORMAT needs JWT_AUDIENCE: the value that it must have',
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
