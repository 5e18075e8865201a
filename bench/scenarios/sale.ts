import { createHmac } from 'node:crypto';
import { Client, inParallel } from '../load/client.ts';
import { post, type PlannedRequest } from '../load/request.ts';
import { Broken, CONNECTIONS } from './scenario.ts';

/** A sale that was opened for a scenario. */
export interface Sale {
  readonly id: number;
  readonly units: number;
}

const DAY_MS = 24 * 3_600_000;

/** Opens a sale over the API. */
export async function openSale(
  url: string,
  operatorToken: string,
  units: number,
  { startMs = Date.now() - 60_000, waitingRoom }: { readonly startMs?: number; readonly waitingRoom?: object } = {},
): Promise<Sale> {
  const client = new Client([url], 1);
  const at = (offsetMs: number): string => new Date(Date.now() + offsetMs).toISOString();
  const product = {
    name: 'bench',
    price: 19.99,
    stock: units,
    seckill_stock: units,
    start_time: new Date(startMs).toISOString(),
    end_time: at(DAY_MS),
    waiting_room: waitingRoom,
  };
  const answer = await client.call(
    post('/api/v1/admin/products', product, { authorization: `Bearer ${operatorToken}` }),
  );
  await client.close();
  if (answer.status !== 201) throw new Error(`no sale was opened: ${answer.status} ${answer.body}`);
  return { id: (JSON.parse(answer.body) as { id: number }).id, units };
}

let named = 0;

/** Shoppers that never came before. */
export function newShoppers(count: number): string[] {
  const first = named;
  named += count;
  return Array.from({ length: count }, (_, i) => `shopper-${process.pid}-${first + i}`);
}

/**
 * The headers that identify the caller: none in trusted mode, which uses `user_id`; an access token
 * in `jwt` mode.
 */
export type HeadersOf = (user: string) => Readonly<Record<string, string>>;

const NO_HEADERS: HeadersOf = () => ({});

/** Access tokens (HS256) like an identity provider's. */
export function accessTokens(secret: string): (userId: string) => string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const header = part({ alg: 'HS256', typ: 'JWT' });
  const exp = Math.floor(Date.now() / 1_000) + 3_600;
  return (sub) => {
    const text = `${header}.${part({ sub, exp })}`;
    return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
  };
}

/** The headers of shoppers with access tokens. */
export function bearers(secret: string): HeadersOf {
  const tokenFor = accessTokens(secret);
  return (userId) => ({ authorization: `Bearer ${tokenFor(userId)}` });
}

/** The request for a shopper's seckill token. */
export const tokenRequest = (sale: Sale, userId: string, headers = {}): PlannedRequest =>
  post('/api/v1/seckill/token', { user_id: userId, product_id: sale.id }, headers);

/** Gets a seckill token for every shopper, and plans their buys. */
export async function planBuys(
  url: string,
  sale: Sale,
  users: readonly string[],
  headersOf: HeadersOf = NO_HEADERS,
): Promise<PlannedRequest[]> {
  const client = new Client([url], CONNECTIONS);
  const buys: PlannedRequest[] = [];
  const failures: string[] = [];
  await inParallel(users.length, CONNECTIONS, async (i) => {
    const userId = users[i]!;
    const headers = headersOf(userId);
    const claim = { user_id: userId, product_id: sale.id };
    let answer = await client.call(tokenRequest(sale, userId, headers));
    // The call was shed because this machine is busy. Nothing is measured yet.
    for (let tries = 0; answer.status !== 200 && tries < 20; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      answer = await client.call(tokenRequest(sale, userId, headers));
    }
    if (answer.status !== 200) failures.push(`${answer.status} ${answer.body}`);
    else buys[i] = post('/api/v1/seckill/buy', { ...claim, token: tokenOf(answer.body) }, headers);
  });
  await client.close();
  if (failures.length > 0) throw new Broken([`${failures.length} seckill tokens were refused: ${failures[0]}`]);
  return buys;
}

const TOKEN = /"token":"([^"]+)"/;

/** The seckill token in an answer; undefined in any other. */
export const tokenOf = (body: string): string | undefined => TOKEN.exec(body)?.[1];

const ORDER_NO = /"order_no":"([^"]+)"/;

/** The order number in the answer to an accepted buy; undefined in any other. */
export const orderNoOf = (body: string): string | undefined => ORDER_NO.exec(body)?.[1];
