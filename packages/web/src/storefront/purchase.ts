import { Refused, retrying } from '../client/client.ts';
import type { Place } from '../client/client.ts';
import { createStore, type Store } from '../ui/store.ts';
import { OrderFollower } from './order-follower.ts';
import type { PurchaseOptions } from './purchase-options.ts';
import { PurchaseTokens } from './purchase-tokens.ts';
import { Room } from './room.ts';
import { Waits } from './waits.ts';
import { isOver, troubleOf, type PurchaseState } from './purchase-state.ts';

const NEW_TOKENS_MAX = 3;
/** How soon a called shopper who found no unit looks at the waiting room again. */
const ROOM_REST_MS = 1_000;
/** A payment without a result for this long can be started again. */
const PAYING_MS_MAX = 30_000;
const SANDBOX_MS_MAX = 5_000;

/**
 * One shopper's purchase in one sale, from the wish to the paid order. All that must survive a
 * reload is in its record, and every call may be repeated: so wherever it is interrupted, it goes
 * on with the same order.
 */
export class Purchase {
  readonly state: Store<PurchaseState> = createStore<PurchaseState>({ at: 'idle' });
  readonly #options: PurchaseOptions;
  #running = new AbortController();
  #isDisposed = false;
  readonly #waits: Waits;
  readonly #room: Room;
  readonly #tokens: PurchaseTokens;
  readonly #follower: OrderFollower;
  readonly #unfollow: () => void;

  constructor(options: PurchaseOptions) {
    this.#options = options;
    this.#waits = new Waits(options.watch, options.client.clock);
    const retryOptions = (signal: AbortSignal) => this.#retryOptions(signal);
    const shared = { ...options, waits: this.#waits, retryOptions };
    const show = (place?: Place) => this.#show({ at: 'room', ...(place === undefined ? {} : { place }) });
    this.#room = new Room({ ...shared, show });
    const onSolving = () => {
      if (this.state.get().at === 'asking') this.#show({ at: 'asking', isSolving: true });
    };
    this.#tokens = new PurchaseTokens({ ...shared, room: this.#room, onSolving });
    this.#follower = new OrderFollower({ ...shared, show: (state) => this.#show(state) });
    this.#resume();
    this.#unfollow = options.records.follow(() => this.#agree());
  }

  #resume(): void {
    const { orderNo, wants } = this.#options.records.read();
    if (orderNo !== undefined) this.#launch((signal) => this.#follower.follow(orderNo, signal));
    else if (wants !== undefined) this.#launch((signal) => this.#buy(signal));
    else this.#launch((signal) => this.#tokens.fetchEarly(signal));
  }

  /** In another tab, the shopper has got an order or has stopped waiting. */
  #agree(): void {
    const { orderNo, wants } = this.#options.records.read();
    const state = this.state.get();
    if (orderNo === undefined && (wants !== undefined || isOver(state))) return;
    if (state.at === 'order' && state.order.order_no === orderNo) return;
    if (orderNo === undefined) this.state.set({ at: 'idle' });
    this.#resume();
  }

  /** What the shop had published of the draw when the shopper joined its waiting room. */
  get commitment(): string | undefined {
    return this.#options.records.read().commitment;
  }

  /** The shopper wants units: now, at the start, or when one comes back. */
  want(wants: 'unit' | 'returned_unit', quantity = this.#options.records.read().quantity): void {
    this.#options.records.change({ wants, quantity, orderNo: undefined, payingUntilMs: undefined });
    this.#launch((signal) => this.#buy(signal));
  }

  /** The shopper does not want to wait any longer. */
  stop(): void {
    this.#options.records.change({ wants: undefined });
    this.state.set({ at: 'idle' });
    this.#running.abort();
  }

  pay(): void {
    this.#ask('paying', async (orderNo, signal) => {
      const { client, records } = this.#options;
      const step = await this.#retrying(() => client.pay(orderNo), signal);
      // The sandbox has no page of its own: it pays by itself, or says nothing.
      const isSandbox = step.provider === 'sandbox';
      records.change({ payingUntilMs: client.clock.now() + (isSandbox ? SANDBOX_MS_MAX : PAYING_MS_MAX) });
      if (step.next.action === 'redirect' && !isSandbox) this.#options.leave(step.next.url);
    });
  }

  cancel(): void {
    this.#ask('cancelling', async (orderNo, signal) => {
      await this.#retrying(() => this.#options.client.cancel(orderNo), signal);
    });
  }

  /** Ends its work; the record stays. */
  dispose(): void {
    this.#isDisposed = true;
    this.#unfollow();
    this.#waits.dispose();
    this.#running.abort();
  }

  /** Ends what is under way, and starts something else. */
  #launch(work: (signal: AbortSignal) => Promise<void>): void {
    this.#running.abort();
    this.#running = new AbortController();
    const { signal } = this.#running;
    work(signal).catch((error: unknown) => {
      if (!signal.aborted) this.state.set({ at: 'refused', error: error as Error });
    });
  }

  /** A call about the order; then the order is followed again, whatever the answer was. */
  #ask(doing: 'paying' | 'cancelling', call: (orderNo: string, signal: AbortSignal) => Promise<void>): void {
    const state = this.state.get();
    if (state.at !== 'order') return;
    const { order } = state;
    this.state.set({ at: 'order', order, doing });
    this.#launch(async (signal) => {
      try {
        await call(order.order_no, signal);
      } catch (error) {
        // The order was paid, cancelled or expired meanwhile: the next reading shows it.
        if (!(error instanceof Refused)) throw error;
      }
      await this.#follower.follow(order.order_no, signal);
    });
  }

  async #buy(signal: AbortSignal): Promise<void> {
    const { client, watch, records } = this.#options;
    for (let newTokens = 0; ;) {
      try {
        if (!(await this.#untilTurn(signal))) return;
        this.#show({ at: 'asking' });
        const token = await this.#tokens.current(signal);
        // Without the signal: a buy that has been sent may be accepted, so its answer must be seen.
        const { quantity } = records.read();
        const accepted = await this.#retrying(() => client.buy(watch.productId, token, { quantity }), signal);
        records.change({ orderNo: accepted.order_no, wants: undefined, token: undefined });
        void watch.refresh();
        if (signal.aborted) {
          // Stopped too late: the shopper has the unit, and must see it.
          if (!this.#isDisposed) this.#launch((following) => this.#follower.follow(accepted.order_no, following));
          return;
        }
        this.#show({ at: 'order', order: accepted });
        await this.#follower.follow(accepted.order_no, signal);
        return;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.code === 'token_invalid') {
          newTokens += 1;
          if (newTokens > NEW_TOKENS_MAX) throw error;
          records.change({ token: undefined });
        } else if (!(await this.#mayGoOn(error, signal))) {
          records.change({ wants: undefined });
          return;
        }
      }
    }
  }

  /** Waits for the start, or in the waiting room; false if the sale has ended. */
  async #untilTurn(signal: AbortSignal): Promise<boolean> {
    if (!(await this.#room.exists(signal))) {
      await this.#untilStart(signal);
      return true;
    }
    if (await this.#room.untilCalled(signal)) return true;
    this.#options.records.change({ wants: undefined });
    this.#show({ at: 'ended' });
    return false;
  }

  /** Waits until a buy that was refused may be repeated; false if it may not. */
  async #mayGoOn(error: Refused, signal: AbortSignal): Promise<boolean> {
    const { watch, records, client } = this.#options;
    switch (error.code) {
      case 'not_started':
        // The start is a moment away, or an operator has moved it.
        await watch.refresh();
        await this.#waits.rest(200 + Math.random() * 300, signal);
        return true;
      case 'paused':
        this.#show({ at: 'paused' });
        await this.#waits.untilSale(({ status }) => status !== 'paused', signal);
        return true;
      case 'tokens_exhausted': {
        const waitMs = 2_000 + Math.random() * 3_000;
        this.#show({ at: 'asking', trouble: { kind: 'busy', untilMs: client.clock.now() + waitMs } });
        await this.#waits.rest(waitMs, signal);
        return true;
      }
      case 'not_called':
        await this.#waits.rest(ROOM_REST_MS * (1 + Math.random()), signal);
        return true;
      case 'sold_out': {
        // Nothing is left, not even fewer units: the place in the line is kept.
        if ((error.available ?? 0) === 0 && (await this.#room.exists(signal))) {
          await this.#waits.rest(ROOM_REST_MS * (1 + Math.random()), signal);
          return true;
        }
        const keepsTrying = records.read().wants === 'returned_unit';
        this.#show({ at: 'sold_out', keepsTrying, left: error.available });
        void watch.refresh();
        if (keepsTrying)
          await this.#waits.untilSale(({ status }) => status !== 'sold_out' && status !== 'not_ready', signal);
        return keepsTrying;
      }
      case 'ended':
        this.#show({ at: 'ended' });
        return false;
      default:
        throw error;
    }
  }

  async #untilStart(signal: AbortSignal): Promise<void> {
    const startMs = await this.#waits.startMs(signal);
    if (startMs <= this.#options.client.clock.now()) return;
    this.#show({ at: 'armed' });
    void this.#tokens.fetchEarly(signal).catch(() => undefined);
    await this.#waits.untilStart(signal);
  }

  #show(state: PurchaseState): void {
    if (!this.#running.signal.aborted) this.state.set(state);
  }

  #retrying<Result>(call: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    return retrying(async () => {
      const result = await call();
      if (this.state.get().at === 'asking') this.#show({ at: 'asking' });
      return result;
    }, this.#retryOptions(signal));
  }

  #retryOptions(signal: AbortSignal) {
    return {
      signal,
      wait: (ms: number) => this.#waits.rest(ms, signal),
      onWait: (error: Error, waitMs: number) => {
        const trouble = { kind: troubleOf(error), untilMs: this.#options.client.clock.now() + waitMs };
        const state = this.state.get();
        if (state.at === 'asking' || state.at === 'order' || state.at === 'room') this.#show({ ...state, trouble });
      },
    };
  }
}
