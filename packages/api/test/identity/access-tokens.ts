import { SignJWT, type JWTPayload } from 'jose';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import type { TestApp } from '../../testing/support.ts';

export const SECRET = 'a-secret-of-access-tokens-that-is-long';
export const ISSUER = 'https://identity.test/';
export const AUDIENCE = 'flash-sale';

export const bearer = (accessToken: string) => ({ authorization: `Bearer ${accessToken}` });
export const hs256 = (claims: JWTPayload, secret = SECRET, algorithm = 'HS256') =>
  new SignJWT(claims).setProtectedHeader({ alg: algorithm }).sign(new TextEncoder().encode(secret));
export const inOneHour = () => Math.floor(Date.now() / 1_000) + 3_600;
export const valid = (sub: string, more: JWTPayload = {}) => hs256({ sub, exp: inOneHour(), ...more });
export const refusedFor = async (app: TestApp, reason: string): Promise<number> => {
  const { values } = await app.deps.metrics.accessTokensRefused.get();
  return values.find(({ labels }) => labels['reason'] === reason)?.value ?? 0;
};
export const askToken = (app: TestApp, sale: Sale, headers: Record<string, string>, userId?: string) =>
  app.post(
    '/api/v1/seckill/token',
    { product_id: sale.id, ...(userId === undefined ? {} : { user_id: userId }) },
    headers,
  );
