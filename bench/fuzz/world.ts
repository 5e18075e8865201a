import type { Random } from '../chaos/random.ts';
import type { Answer, Call, Needs } from './call.ts';
import { accessToken, sandboxWebhook } from './credentials.ts';
import type { Operation } from './document.ts';
import type { Credentials } from './service.ts';
import { validValue } from './values.ts';

/** What each sale of the run allows. */
export const FUZZED_UNITS_PER_SHOPPER = 3;
/** An access token that expired longer ago than any clock tolerance that the settings allow. */
const EXPIRED_S = -600;
/** Orders of each state that are kept for requests that only read one. */
const KEPT_MAX = 20;

type OrderState = 'pending_payment' | 'paid' | 'cancelled';

interface Bought {
  readonly shopper: string;
  readonly order_no: string;
}

export interface WorldOptions {
  readonly random: Random;
  readonly operations: readonly Operation[];
  readonly credentials: Credentials;
  readonly sandboxSecret: string;
  /** Makes a call that must succeed for the run. Throws if it is refused. */
  readonly succeed: (call: Call) => Promise<Answer>;
}

/** The existing data: sales, shoppers, orders and payments, created by calls of the service. */
export class World {
  readonly random: Random;
  readonly sandboxSecret: string;
  /** An open sale with enough units for the run. */
  sale = '';
  /** A second sale, which is paused and resumed. */
  otherSale = '';
  /** A sale with a waiting room. */
  roomSale = '';
  readonly #options: WorldOptions;
  readonly #orders: Record<OrderState, Bought[]> = { pending_payment: [], paid: [], cancelled: [] };
  #shoppers = 0;
  #denied = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.random = options.random;
    this.sandboxSecret = options.sandboxSecret;
  }

  async open(): Promise<void> {
    this.sale = await this.newSale();
    this.otherSale = await this.newSale();
    this.roomSale = await this.newSale({ waiting_room: { opens_at: new Date(Date.now() - 3_600_000).toISOString() } });
  }

  /** Opens a sale and returns its id. */
  async newSale(more: Record<string, unknown> = {}): Promise<string> {
    const nowMs = Date.now();
    const body = {
      ...more,
      name: 'fuzzed',
      price: 19.99,
      stock: 1_000_000,
      seckill_stock: 1_000_000,
      units_per_shopper: FUZZED_UNITS_PER_SHOPPER,
      start_time: new Date(nowMs - 60_000).toISOString(),
      end_time: new Date(nowMs + 86_400_000).toISOString(),
    };
    const answer = await this.#make('POST /api/v1/admin/products', { body });
    return String(answer['id']);
  }

  /** A call with everything that its schema requires. `needs` overrides generated values. */
  callOf(operation: Operation, needs: Needs): Call {
    const { random } = this;
    const parameters = (place: 'path' | 'query') =>
      Object.fromEntries(
        operation.parameters
          .filter((each) => each.in === place && (each.required || random.chance(0.5)))
          .map(({ name, shape }) => [name, String(validValue(shape.schema, random))]),
      );
    const made = operation.body && (validValue(operation.body.schema, random) as object);
    const body = needs.body ?? made;
    return {
      operation,
      params: { ...parameters('path'), ...needs.params },
      query: needs.query ?? parameters('query'),
      headers: { ...this.#ownCredentials(operation), ...needs.headers },
      ...(operation.body === undefined ? {} : { body }),
      ...(needs.raw === undefined ? {} : { raw: needs.raw }),
    };
  }

  newShopper = (): string => `s${(this.#shoppers += 1)}`;

  /** An earlier shopper or a new one. */
  shopper = (): string => `s${this.random.integer(1, this.#shoppers + 1)}`;

  as = (shopper: string): { headers: Record<string, string> } => ({
    headers: { authorization: `Bearer ${accessToken(shopper, this.#options.credentials.accessTokenSecret)}` },
  });

  /** A body that names its shopper, or leaves that to the access token. */
  naming(shopper: string, body: Record<string, unknown>): Record<string, unknown> {
    return this.random.chance(0.5) ? { user_id: shopper, ...body } : body;
  }

  seckillToken = async (shopper: string): Promise<string> => {
    const body = { product_id: Number(this.sale) };
    const answer = await this.#make('POST /api/v1/seckill/token', { ...this.as(shopper), body });
    return String(answer['token']);
  };

  /** A shopper in the waiting room. */
  async guest(): Promise<{ readonly shopper: string; readonly ticket: string }> {
    const shopper = this.newShopper();
    const body = { product_id: Number(this.roomSale) };
    const { ticket } = await this.#make('POST /api/v1/seckill/queue', { ...this.as(shopper), body });
    return { shopper, ticket: String(ticket) };
  }

  /** An order in this state. `its last`: the caller moves it to another state. */
  async order(state: OrderState, use: 'kept' | 'its last' = 'kept'): Promise<Bought> {
    const orders = this.#orders[state];
    if (orders.length < KEPT_MAX || use === 'its last') orders.push(await this.#newOrder(state));
    return use === 'its last' ? orders.pop()! : this.random.pick(orders);
  }

  /** A started payment. `its last`: the caller decides its outcome. */
  async payment(use: 'kept' | 'its last' = 'its last'): Promise<{ readonly payment_id: string }> {
    const bought = use === 'kept' ? await this.order('pending_payment') : await this.#newOrder('pending_payment');
    return this.#startPayment(bought);
  }

  /** A user to deny, who is none of the shoppers. */
  newDenied(): { user_id: string; reason: string; expires_at: string } {
    const expiresAt = new Date(Date.now() + 86_400_000).toISOString();
    return { user_id: `denied-${(this.#denied += 1)}`, reason: 'fuzzed', expires_at: expiresAt };
  }

  /** A denied user. */
  async denied(): Promise<{ user_id: string }> {
    const body = this.newDenied();
    await this.#make('POST /api/v1/admin/deny-list', { body });
    return { user_id: body.user_id };
  }

  async openDownload(): Promise<string> {
    const { id } = await this.#make('POST /api/v1/admin/downloads', { query: { product_id: this.sale } });
    return String(id);
  }

  /** Credentials that this call does not accept. */
  wrongCredentials = (operation: Operation): readonly string[] => {
    const { credentials } = this.#options;
    const { accessTokenSecret: secret } = credentials;
    const shopper = accessToken('s1', secret);
    return [
      'Bearer',
      'Bearer x',
      `Bearer ${'x'.repeat(5_000)}`,
      'Basic OnBhc3N3b3Jk',
      `Bearer ${accessToken('s1', `${secret}x`)}`,
      `Bearer ${accessToken('s1', secret, EXPIRED_S)}`,
      `Bearer ${accessToken('s1', secret, 60, 'none')}`,
      `Bearer ${accessToken('s 1', secret)}`,
      `Bearer ${shopper.slice(0, -2)}`,
      ...(operation.caller === 'operator' ? [`Bearer ${shopper}`] : [`Bearer ${credentials.operatorToken}`]),
    ];
  };

  async #newOrder(state: OrderState): Promise<Bought> {
    const shopper = this.newShopper();
    const token = await this.seckillToken(shopper);
    const body = { product_id: Number(this.sale), token };
    const { order_no: orderNo } = (await this.#make('POST /api/v1/seckill/buy', { ...this.as(shopper), body })) as {
      order_no: string;
    };
    const bought = { shopper, order_no: orderNo };
    await this.#until(bought, 'pending_payment');
    if (state === 'cancelled') {
      await this.#make('POST /api/v1/orders/{orderNo}/cancel', {
        ...this.as(shopper),
        params: { orderNo },
        body: {},
      });
    }
    if (state === 'paid') await this.#pay(bought);
    return bought;
  }

  async #pay(bought: Bought): Promise<void> {
    const { payment_id: paymentId } = await this.#startPayment(bought);
    const event = { event_id: `paid-${paymentId}`, payment_id: paymentId, kind: 'succeeded' };
    await this.#make('POST /api/v1/payments/webhook/{provider}', sandboxWebhook(event, this.sandboxSecret));
    await this.#until(bought, 'paid');
  }

  async #startPayment({ shopper, order_no: orderNo }: Bought): Promise<{ payment_id: string }> {
    return (await this.#make('POST /api/v1/orders/{orderNo}/pay', {
      ...this.as(shopper),
      params: { orderNo },
      body: { sandbox: 'never' },
    })) as { payment_id: string };
  }

  async #until({ shopper, order_no: orderNo }: Bought, status: string): Promise<void> {
    const needs = { ...this.as(shopper), params: { orderNo }, query: { wait: '20' } };
    const order = await this.#make('GET /api/v1/orders/{orderNo}', needs);
    if (order['status'] !== status) throw new Error(`order ${orderNo} is ${String(order['status'])}, not ${status}`);
  }

  async #make(name: string, needs: Needs): Promise<Record<string, unknown>> {
    const operation = this.#options.operations.find((each) => each.name === name);
    if (operation === undefined) throw new Error(`the document has no ${name}`);
    const { text } = await this.#options.succeed(this.callOf(operation, needs));
    return JSON.parse(text) as Record<string, unknown>;
  }

  #ownCredentials({ caller }: Operation): Record<string, string> {
    if (caller === 'operator') return { authorization: `Bearer ${this.#options.credentials.operatorToken}` };
    return caller === 'shopper' ? this.as(this.shopper()).headers : {};
  }
}
