import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import { AccessTokens, TokenRefused, type AccessTokenConfig } from '../identity/access-tokens.ts';
import { KeySet } from '../identity/key-set.ts';
import { AddressLimit } from '../limits/address-limit.ts';
import type { DenyList } from '../deny-list/deny-list.ts';
import { addressLimitOf } from './address-limit.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * The calling shopper: `claimed` in trusted mode; otherwise the subject of the access token,
     * which `claimed` must equal if it is given.
     *
     * @throws Refusal `unauthenticated`, `forbidden`, `rate_limited` or `invalid_request`
     */
    shopper(request: FastifyRequest, claimed: string | undefined): Promise<string>;
    /**
     * Like `shopper`, if the caller may stay unknown: undefined in trusted mode if no shopper is
     * named.
     */
    shopperIfKnown(request: FastifyRequest, claimed: string | undefined): Promise<string | undefined>;
  }
}

export interface IdentityDeps {
  readonly config: AccessTokenConfig & Pick<Config, 'AUTH_MODE'> & Parameters<typeof addressLimitOf>[0];
  readonly denyList: DenyList;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'accessTokensRefused' | 'keySetAgeSeconds' | 'keySetFetches'>;
}

/**
 * Identifies the caller. Only this plugin decides; routes only ask. It refuses shoppers on the deny
 * list.
 */
export const identity = fp<IdentityDeps>(
  (app, deps, done) => {
    const { config, denyList } = deps;
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
      const keySet = config.JWKS_URL === undefined ? undefined : keySetOf(deps, config.JWKS_URL);
      app.addHook('onReady', async () => keySet?.start());
      app.addHook('onClose', async () => keySet?.stop());
      const subjectOf = identifier(deps, keySet);
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

function keySetOf({ config, log, metrics }: IdentityDeps, url: string): KeySet {
  return new KeySet({ url, algorithm: config.JWT_ALGORITHM, log, metrics });
}

/**
 * The subject of a call's access token. Callers without a valid one are limited by their address,
 * since each wrong token costs a signature check.
 */
function identifier(
  { config, metrics }: IdentityDeps,
  keySet: KeySet | undefined,
): (request: FastifyRequest) => Promise<string> {
  const failures = new AddressLimit(addressLimitOf(config));
  const accessTokens = new AccessTokens(config, keySet);

  return async ({ headers, address, log }) => {
    const token = /^Bearer +(\S.*)$/i.exec(headers.authorization ?? '')?.[1];
    const known = token === undefined ? undefined : accessTokens.known(token);
    if (known !== undefined) return known;
    const tooMany = failures.peek(address);
    if (tooMany !== undefined) throw new Refusal('rate_limited', tooMany);
    try {
      if (token === undefined) throw new TokenRefused('missing', 'A bearer access token is required');
      return await accessTokens.subjectOf(token);
    } catch (error) {
      if (!(error instanceof TokenRefused)) throw error;
      failures.charge(address);
      metrics.accessTokensRefused.inc({ reason: error.fault });
      const { code } = (error.cause ?? {}) as { readonly code?: string };
      log.debug({ reason: error.fault, code, got: error.got }, 'access token refused');
      throw refusalOf(error);
    }
  };
}

/** RFC 6750: without an access token in the request, the answer must not contain an error. */
function refusalOf({ fault, message }: TokenRefused): Refusal {
  const challenge = fault === 'missing' ? 'Bearer' : `Bearer error="invalid_token", error_description="${message}"`;
  return new Refusal('unauthenticated', { detail: message, headers: { 'www-authenticate': challenge } });
}
