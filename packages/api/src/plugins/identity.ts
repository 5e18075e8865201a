import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import type { Metrics } from '@flash-sale/shared/platform/telemetry/metrics.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { AccessTokenConfig } from '../identity/access-tokens.ts';
import type { DenyList } from '../deny-list/deny-list.ts';
import type { addressLimitOf } from './address-limit.ts';

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
  async (app, deps) => {
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
      // Only here: the modules that verify tokens are loaded only by processes that do.
      const { identifier, keySetOf } = await import('./token-identity.ts');
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
  },
  { name: 'identity' },
);
