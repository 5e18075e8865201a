import type { FastifyRequest } from 'fastify';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import { AccessTokens, TokenRefused } from '../identity/access-tokens.ts';
import { KeySet } from '../identity/key-set.ts';
import { AddressLimit } from '../limits/address-limit.ts';
import { addressLimitOf } from './address-limit.ts';
import type { IdentityDeps } from './identity.ts';

/** The keys of the identity provider. */
export function keySetOf({ config, log, metrics }: IdentityDeps, url: string): KeySet {
  return new KeySet({ url, algorithm: config.JWT_ALGORITHM, log, metrics });
}

/**
 * The subject of a call's access token. Callers without a valid one are limited by their address,
 * since each wrong token costs a signature check.
 */
export function identifier(
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
