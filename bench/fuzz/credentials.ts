import { createHmac } from 'node:crypto';

const LIFE_S = 86_400;

/** An access token like an identity provider's, HS256 unless another `alg` is given. */
export function accessToken(shopper: string, secret: string, life_s = LIFE_S, alg = 'HS256'): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  // A long life is rounded to the hour, so that a shopper's tokens are equal and the service may
  // cache them.
  const now_s = Math.floor(Date.now() / 1_000);
  const exp = life_s < 3_600 ? now_s + life_s : Math.ceil(now_s / 3_600) * 3_600 + life_s;
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
  const signed_ms = Date.now();
  const mac = createHmac('sha256', secret).update(`sandbox ${signed_ms}.${raw}`).digest('hex');
  return { params: { provider: 'sandbox' }, headers: { 'x-sandbox-signature': `${signed_ms}.${mac}` }, raw };
}
