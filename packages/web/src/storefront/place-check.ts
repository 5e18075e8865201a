export type PlaceCheck = 'right' | 'wrong';

/** The difference that a number of the answer may have from the whole fraction. */
const PRECISION = 1e-12;

/** Computes the drawn place of a shopper, and compares it and the seed with what the shop says. */
export async function checkPlace(said: {
  readonly userId: string;
  readonly place: number;
  readonly seed: string;
  readonly commitment: string;
}): Promise<PlaceCheck> {
  const seed = Uint8Array.from(said.seed.match(/../g) ?? [], (byte) => parseInt(byte, 16));
  const commitment = new Uint8Array(await crypto.subtle.digest('SHA-256', seed));
  const hex = Array.from(commitment, (byte) => byte.toString(16).padStart(2, '0')).join('');
  const key = await crypto.subtle.importKey('raw', seed, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const mac = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(said.userId));
  const place = Number(new DataView(mac).getBigUint64(0)) / 2 ** 64;
  return hex === said.commitment && Math.abs(place - said.place) < PRECISION ? 'right' : 'wrong';
}
