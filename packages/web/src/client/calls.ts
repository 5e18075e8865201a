import { Refused, Unreachable } from './refused.ts';
import { ServerClock } from './server-clock.ts';
import type {
  AcceptedBuy,
  Challenge,
  DevSession,
  JoinedRoom,
  Order,
  OrderPage,
  PaymentStep,
  Place,
  Problem,
  Product,
  ProductPage,
  SeckillToken,
} from './types.ts';

/** A call without an answer is given up after this time. Longer than the service ever takes. */
const ANSWER_MS_MAX = 10_000;

export interface ClientOptions {
  /** The address of the service, with the path that a proxy adds, if any. */
  readonly url: string | URL;
  /** The shopper, if the service trusts its callers (`AUTH_MODE=trusted`). */
  readonly userId?: string | undefined;
  /** The shopper's access token (`AUTH_MODE=jwt`), read at each call. */
  readonly accessToken?: (() => string | undefined) | undefined;
  readonly fetch?: typeof fetch | undefined;
  readonly clock?: ServerClock | undefined;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

interface PageOptions extends CallOptions {
  readonly limit?: number | undefined;
  readonly cursor?: string | undefined;
}

type Query = Readonly<Record<string, string | number | undefined>>;

/**
 * The calls of a shopper.
 *
 * Each method makes one call. It throws `Refused` if the service refuses it, and `Unreachable` if
 * no answer arrives; `retrying` repeats what may succeed later.
 */
export interface ShopperClient {
  /** The service's time, learned from its answers. */
  readonly clock: ServerClock;
  products(options?: PageOptions): Promise<ProductPage>;
  product(productId: number, options?: CallOptions): Promise<Product>;
  challenge(productId: number, options?: CallOptions): Promise<Challenge>;
  /** Joins the waiting room of a sale that has one. */
  join(productId: number, options?: CallOptions & { readonly solution?: string | undefined }): Promise<JoinedRoom>;
  /**
   * With `waitSeconds`, the answer comes when the status is not `seen`, or when the wait is over.
   */
  place(
    productId: number,
    ticket: string,
    options?: CallOptions & { readonly waitSeconds?: number | undefined; readonly seen?: Place['status'] | undefined },
  ): Promise<Place>;
  token(
    productId: number,
    options?: CallOptions & { readonly solution?: string | undefined; readonly ticket?: string | undefined },
  ): Promise<SeckillToken>;
  buy(
    productId: number,
    token: string,
    options?: CallOptions & { readonly quantity?: number | undefined },
  ): Promise<AcceptedBuy>;
  /**
   * With `waitSeconds`, the answer comes when the order is no longer `queued`, or when the wait is
   * over.
   */
  order(orderNo: string, options?: CallOptions & { readonly waitSeconds?: number | undefined }): Promise<Order>;
  orders(options?: PageOptions): Promise<OrderPage>;
  pay(orderNo: string, options?: CallOptions): Promise<PaymentStep>;
  cancel(orderNo: string, options?: CallOptions): Promise<Order>;
  /** An access token for any shopper; in development only. */
  openSession(userId: string, options?: CallOptions): Promise<DevSession>;
}

export function createClient(options: ClientOptions): ShopperClient {
  const { userId, accessToken, fetch: send = fetch, clock = new ServerClock() } = options;
  const base = new URL(String(options.url).replace(/\/*$/, '/'));

  async function call<Answer>(
    path: string,
    { signal, query = {}, body, answerMsMax = ANSWER_MS_MAX }: CallSettings = {},
  ): Promise<Answer> {
    const url = new URL(`api/v1/${path}`, base);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const bearer = accessToken?.();
    const headers: Record<string, string> = {
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const timeout = AbortSignal.timeout(answerMsMax);
    const sentMs = clock.local();
    let response: Response;
    let text: string;
    try {
      response = await send(url, {
        method: body === undefined ? 'GET' : 'POST',
        headers,
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      clock.learn(response.headers.get('date'), sentMs);
      text = await response.text();
    } catch (error) {
      if (signal?.aborted === true) throw error;
      throw new Unreachable(error);
    }
    if (response.ok) return parsed(text) as Answer;
    throw refusalOf(response, text);
  }

  const mine = { user_id: userId };
  const orderPath = (orderNo: string): string => `orders/${encodeURIComponent(orderNo)}`;

  return {
    clock,
    products: ({ limit, cursor, signal } = {}) => call('products', { query: { limit, cursor }, signal }),
    product: (productId, given) => call(`products/${productId}`, given),
    challenge: (productId, given) => call('seckill/challenge', { ...given, query: { ...mine, product_id: productId } }),
    join: (productId, { solution, signal } = {}) =>
      call('seckill/queue', { signal, body: { ...mine, product_id: productId, solution } }),
    place: (productId, ticket, { waitSeconds, seen, signal } = {}) =>
      call('seckill/queue', {
        signal,
        query: { ...mine, product_id: productId, ticket, wait: waitSeconds, seen },
        answerMsMax: ANSWER_MS_MAX + (waitSeconds ?? 0) * 1_000,
      }),
    token: (productId, { solution, ticket, signal } = {}) =>
      call('seckill/token', { signal, body: { ...mine, product_id: productId, solution, ticket } }),
    buy: (productId, token, { quantity, signal } = {}) =>
      call('seckill/buy', { signal, body: { ...mine, product_id: productId, token, quantity } }),
    order: (orderNo, { waitSeconds, signal } = {}) =>
      call(orderPath(orderNo), {
        signal,
        query: { ...mine, wait: waitSeconds },
        answerMsMax: ANSWER_MS_MAX + (waitSeconds ?? 0) * 1_000,
      }),
    orders: ({ limit, cursor, signal } = {}) => call('orders', { query: { ...mine, limit, cursor }, signal }),
    pay: (orderNo, given) => call(`${orderPath(orderNo)}/pay`, { ...given, body: mine }),
    cancel: (orderNo, given) => call(`${orderPath(orderNo)}/cancel`, { ...given, body: mine }),
    openSession: (shopper, given) => call('dev/session', { ...given, body: { user_id: shopper } }),
  };
}

interface CallSettings extends CallOptions {
  readonly query?: Query;
  /** A call with a body is a POST. */
  readonly body?: object;
  readonly answerMsMax?: number;
}

/** @throws Unreachable if the body is not the service's */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Unreachable(error);
  }
}

function refusalOf(response: Response, text: string): Error {
  // Only the service writes this type: proxies have error pages of their own.
  const isOurs = response.headers.get('content-type')?.startsWith('application/problem+json') === true;
  if (!isOurs) return new Unreachable(new Error(`status ${response.status}`));
  const seconds = Number(response.headers.get('retry-after') ?? NaN);
  return new Refused(parsed(text) as Problem, Number.isFinite(seconds) ? seconds * 1_000 : undefined);
}
