import { createSecretKey } from 'node:crypto';
import { createRemoteJWKSet, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { LRUCache } from 'lru-cache';
import type { Config } from '@flash-sale/shared/config/config.ts';
import { Refusal } from '@flash-sale/shared/domain/errors.ts';
import { USER_ID_PATTERN } from '@flash-sale/shared/domain/shopper.ts';
import { AddressLimit } from '../limits/address-limit.ts';
import type { DenyList } from '../limits/deny-list.ts';
import { addressLimitOf } from './address-limit.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * The shopper who calls: `claimed` in trusted mode; the access token's `sub` otherwise, which `claimed` must equal where it is given.
     *
     * @throws Refusal `unauthenticated`, `forbidden`, `rate_limited` or `invalid_request`
     */
    shopper(request: FastifyRequest, claimed: string | undefined): Promise<string>;
    /** Like `shopper`, where the caller may stay unknown: undefined in trusted mode when nobody is named. */
    shopperIfKnown(request: FastifyRequest, claimed: string | undefined): Promise<string | undefined>;
  }
}

type IdentityConfig = Pick<
  Config,
  | 'NODE_ENV'
  | 'AUTH_MODE'
  | 'JWT_SECRET'
  | 'JWKS_URL'
  | 'JWT_ALGORITHM'
  | 'JWT_ISSUER'
  | 'JWT_AUDIENCE'
  | 'RATE_LIMIT_IP_CAPACITY'
  | 'RATE_LIMIT_IP_PER_SECOND'
>;

const VERIFIED_MAX = 50_000;
/** Bounds the memory of those that are remembered, which may be long. */
const VERIFIED_CHARACTERS_MAX = 32_000_000;
/** A verified access token is believed for at most this long without looking again, and never past its `exp`. */
const VERIFIED_MS = 60_000;
const ACCESS_TOKEN_LENGTH_MAX = 4_096;
/**
 * A key set is fetched anew when it is ten minutes old, or when an access token names a key that is not in it: after at most this long a
 * rotated key is known. Shorter, and made-up key ids would become that many requests to the provider.
 */
const KEY_SET_COOLDOWN_MS = 5_000;
const KEY_SET_AGE_MS_MAX = 600_000;
const KEY_SET_TIMEOUT_MS = 2_000;
const USER_ID = new RegExp(USER_ID_PATTERN);

/** Who calls. Decided once, here; routes only ask. Shoppers on the deny list are nobody's customers. */
export const identity = fp<{ readonly config: IdentityConfig; readonly denyList: DenyList }>(
  (app, { config, denyList }, done) => {
    const allowed = (userId: string): string => {
      if (denyList.deniesUser(userId)) throw new Refusal('forbidden');
      return userId;
    };
    if (config.AUTH_MODE === 'trusted') {
      app.decorate('shopperIfKnown', async (_request: FastifyRequest, claimed: string | undefined) =>
        claimed === undefined ? undefined : allowed(claimed),
      );
      app.decorate('shopper', async (_request: FastifyRequest, claimed: string | undefined) => {
        if (claimed === undefined) throw new Refusal('invalid_request', { detail: 'user_id is required' });
        return allowed(claimed);
      });
    } else {
      const subjectOf = accessTokens(config);
      const shopper = async (request: FastifyRequest, claimed: string | undefined): Promise<string> => {
        const subject = await subjectOf(request);
        if (claimed !== undefined && claimed !== subject) {
          throw new Refusal('forbidden', { detail: 'user_id is not the subject of the access token' });
        }
        return allowed(subject);
      };
      app.decorate('shopper', shopper);
      app.decorate('shopperIfKnown', shopper);
    }
    done();
  },
  { name: 'identity' },
);

/**
 * Verifies access tokens; a cache spares verifying the same one again for each call of a shopper. Callers without a valid one are limited by
 * their address, since each wrong one costs a check of its signature.
 */
function accessTokens(config: IdentityConfig): (request: FastifyRequest) => Promise<string> {
  const failures = new AddressLimit(addressLimitOf(config));
  const verified = new LRUCache<string, string>({
    max: VERIFIED_MAX,
    maxSize: VERIFIED_CHARACTERS_MAX,
    sizeCalculation: (_subject, token) => token.length,
  });
  const options: JWTVerifyOptions = {
    algorithms: [config.JWT_SECRET === undefined ? config.JWT_ALGORITHM : 'HS256'],
    requiredClaims: ['sub', 'exp'],
    ...(config.JWT_ISSUER === undefined ? {} : { issuer: config.JWT_ISSUER }),
    ...(config.JWT_AUDIENCE === undefined ? {} : { audience: config.JWT_AUDIENCE }),
  };
  const verify = verifier(config, options);

  const subjectOf = async (token: string): Promise<string> => {
    const { sub, exp } = await verify(token);
    // jose does not check that `sub` is text.
    if (typeof sub !== 'string' || exp === undefined || !USER_ID.test(sub)) throw new Refusal('unauthenticated');
    const life_ms = Math.min(VERIFIED_MS, exp * 1_000 - Date.now());
    if (life_ms > 0) verified.set(token, sub, { ttl: life_ms });
    return sub;
  };

  return async ({ headers, address }) => {
    const token = /^Bearer ([A-Za-z0-9_.-]+)$/i.exec(headers.authorization ?? '')?.[1];
    const known = token === undefined ? undefined : verified.get(token);
    if (known !== undefined) return known;
    const tooMany = failures.look(address);
    if (tooMany !== undefined) throw new Refusal('rate_limited', tooMany);
    try {
      if (token === undefined || token.length > ACCESS_TOKEN_LENGTH_MAX) throw new Refusal('unauthenticated');
      return await subjectOf(token);
    } catch (error) {
      if (error instanceof Refusal && error.code === 'unauthenticated') failures.take(address);
      throw error;
    }
  };
}

function verifier(config: IdentityConfig, options: JWTVerifyOptions): (token: string) => Promise<JWTPayload> {
  // A KeyObject is made ready once; jose would import raw bytes again for each access token.
  const secret = config.JWT_SECRET === undefined ? undefined : createSecretKey(config.JWT_SECRET, 'utf8');
  const keySet =
    config.JWKS_URL === undefined
      ? undefined
      : createRemoteJWKSet(new URL(config.JWKS_URL), {
          cooldownDuration: KEY_SET_COOLDOWN_MS,
          cacheMaxAge: KEY_SET_AGE_MS_MAX,
          timeoutDuration: KEY_SET_TIMEOUT_MS,
        });
  return async (token) => {
    try {
      const { payload } =
        secret === undefined ? await jwtVerify(token, keySet!, options) : await jwtVerify(token, secret, options);
      return payload;
    } catch (error) {
      const { code } = error as { code?: string };
      // A key set that does not answer is not the shopper's fault.
      if (code === 'ERR_JWKS_TIMEOUT' || code === undefined || code === 'ERR_JOSE_GENERIC')
        throw new Refusal('unavailable', { cause: error });
      throw new Refusal('unauthenticated', { cause: error });
    }
  };
}
