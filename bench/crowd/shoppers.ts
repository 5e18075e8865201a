import {
  createClient,
  Refused,
  retrying,
  Unreachable,
  type ClientOptions,
  type ShopperClient,
} from '@flash-sale/web/client';
import { CallFailed } from '@flash-sale/infra/ops/api.ts';
import { accessTokens } from '../scenarios/sale.ts';

/** Makes the client of a shopper. */
export type ClientOf = (userId: string, signal: AbortSignal) => Promise<ShopperClient>;

/**
 * How shoppers identify themselves to this service: by their id if it trusts its callers, else by
 * an access token of the development login, or one signed with the secret.
 *
 * @throws CallFailed if there is no access token for them
 */
export async function identify(
  common: Pick<ClientOptions, 'url' | 'fetch' | 'clock'>,
  jwtSecret: string | undefined,
): Promise<ClientOf> {
  const nobody = createClient({ ...common, userId: 'crowd' });
  if (await isAllowed('unauthenticated', nobody.orders({ limit: 1 }))) {
    return async (userId) => createClient({ ...common, userId });
  }
  const withToken = (userId: string, accessToken: string): ShopperClient =>
    createClient({ ...common, userId, accessToken: () => accessToken });

  if (await isAllowed('not_found', nobody.openSession('crowd'))) {
    return async (userId, signal) => {
      const session = await retrying(() => nobody.openSession(userId, { signal }), { signal });
      return withToken(userId, session.access_token);
    };
  }
  if (jwtSecret === undefined) {
    throw new CallFailed(
      'The service asks shoppers for access tokens, and has no development login. Set JWT_SECRET to sign them here.',
    );
  }
  const tokenFor = accessTokens(jwtSecret);
  return async (userId) => withToken(userId, tokenFor(userId));
}

/** Whether a call succeeds; false if it is refused with this code. */
async function isAllowed(code: string, answer: Promise<unknown>): Promise<boolean> {
  try {
    await answer;
    return true;
  } catch (error) {
    if (error instanceof Refused && error.code === code) return false;
    if (error instanceof Unreachable)
      throw new CallFailed('The service does not answer; use --url for another address');
    throw error;
  }
}
