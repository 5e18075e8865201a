import { createHmac } from 'node:crypto';

const LIFE_S = 86_400;

/** An access token like an identity provider's, HS256 unless another `alg` is given. */
export function accessToken(shopper: string, secret: string, lifeS = LIFE_S, alg = 'HS256'): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  // A long life is rounded to the hour, so that a shopper's tokens are equal and the service may
  // cache them.
  const nowS = Math.floor(Date.now() / 1_000);
  const exp = lifeS < 3_600 ? nowS + lifeS : Math.ceil(nowS / 3_600) * 3_600 + lifeS;
  const signed = `${part({ alg, typ: 'JWT' })}.${part({ sub: shopper, exp })}`;
  return `${signed}.${alg === 'none' ? '' : createHmac('sha256', secret).update(signed).digest('base64url')}`;
}

/** A webhook of the sandbox. */
export interface Webhook {
  readonly params: { readonly provider: 'sandbox' };
  readonly headers: Readonly<Record<string, string>>;
  readonly raw: string;
}

/** An event, signed like the sandbox's. */
export function sandboxWebhook(event: object, secret: string): Webhook {
  const raw = JSON.stringify(event);
  const signedMs = Date.now();
  const mac = createHmac('sha256', secret).update(`sandbox ${signedMs}.${raw}`).digest('hex');
  return { params: { provider: 'sandbox' }, headers: { 'x-sandbox-signature': `${signedMs}.${mac}` }, raw };
}
