import { createRemoteJWKSet, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose';
import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { LRUCache } from 'lru-cache';
import type { Config } from '@flash-sale/shared/config/config.ts';
import { Refusal } from '@flash-sale/shared/domain/errors.ts';
import { USER_ID_PATTERN } from '@flash-sale/shared/domain/shopper.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * The shopper who calls: `claimed` in trusted mode; the access token's `sub` otherwise, which `claimed` must equal where it is given.
     *
     * @throws Refusal `unauthenticated`, `forbidden` or `invalid_request`
     */
    shopper(request: FastifyRequest, claimed: string | undefined): Promise<string>;
    /** Like `shopper`, where the caller may stay unknown: undefined in trusted mode when nobody is named. */
    shopperIfKnown(request: FastifyRequest, claimed: string | undefined): Promise<string | undefined>;
  }
}

type IdentityConfig = Pick<
  Config,
  'AUTH_MODE' | 'JWT_SECRET' | 'JWKS_URL' | 'JWT_ALGORITHM' | 'JWT_ISSUER' | 'JWT_AUDIENCE'
>;

const VERIFIED_MAX = 50_000;
/** A verified access token is believed for at most this long without looking again, and never past its `exp`. */
const VERIFIED_MS = 60_000;
const ACCESS_TOKEN_LENGTH_MAX = 4_096;
const USER_ID = new RegExp(USER_ID_PATTERN);

/** Who calls. Decided once, here; routes only ask. */
export const identity = fp<{ readonly config: IdentityConfig }>(
  (app, { config }, done) => {
    if (config.AUTH_MODE === 'trusted') {
      app.decorate('shopperIfKnown', (_request: FastifyRequest, claimed: string | undefined) =>
        Promise.resolve(claimed),
      );
      app.decorate('shopper', (_request: FastifyRequest, claimed: string | undefined) =>
        claimed === undefined
          ? Promise.reject(new Refusal('invalid_request', { detail: 'user_id is required' }))
          : Promise.resolve(claimed),
      );
    } else {
      const subjectOf = accessTokens(config);
      const shopper = async (request: FastifyRequest, claimed: string | undefined): Promise<string> => {
        const subject = await subjectOf(request.headers.authorization);
        if (claimed !== undefined && claimed !== subject) {
          throw new Refusal('forbidden', { detail: 'user_id is not the subject of the access token' });
        }
        return subject;
      };
      app.decorate('shopper', shopper);
      app.decorate('shopperIfKnown', shopper);
    }
    done();
  },
  { name: 'identity' },
);

/** Verifies access tokens; a cache spares verifying the same one again for each call of a shopper. */
function accessTokens(config: IdentityConfig): (authorization: string | undefined) => Promise<string> {
  const verified = new LRUCache<string, string>({ max: VERIFIED_MAX });
  const options: JWTVerifyOptions = {
    algorithms: [config.JWT_SECRET === undefined ? config.JWT_ALGORITHM : 'HS256'],
    requiredClaims: ['sub', 'exp'],
    ...(config.JWT_ISSUER === undefined ? {} : { issuer: config.JWT_ISSUER }),
    ...(config.JWT_AUDIENCE === undefined ? {} : { audience: config.JWT_AUDIENCE }),
  };
  const verify = verifier(config, options);

  return async (authorization) => {
    const token = /^Bearer ([A-Za-z0-9_.-]+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined || token.length > ACCESS_TOKEN_LENGTH_MAX) throw new Refusal('unauthenticated');
    const known = verified.get(token);
    if (known !== undefined) return known;
    const { sub, exp } = await verify(token);
    // jose does not check that `sub` is text.
    if (typeof sub !== 'string' || exp === undefined || !USER_ID.test(sub)) throw new Refusal('unauthenticated');
    const life_ms = Math.min(VERIFIED_MS, exp * 1_000 - Date.now());
    if (life_ms > 0) verified.set(token, sub, { ttl: life_ms });
    return sub;
  };
}

function verifier(config: IdentityConfig, options: JWTVerifyOptions): (token: string) => Promise<JWTPayload> {
  const secret = config.JWT_SECRET === undefined ? undefined : new TextEncoder().encode(config.JWT_SECRET);
  const keySet = config.JWKS_URL === undefined ? undefined : createRemoteJWKSet(new URL(config.JWKS_URL));
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
