import { seckillToken, type RetryOptions } from '../client/client.ts';
import type { PurchaseOptions } from './purchase-options.ts';
import type { Room } from './room.ts';
import type { Waits } from './waits.ts';

/** Seckill tokens are asked for at a random moment in this time before the start. */
const TOKEN_BEFORE_START_MS = { from: 120_000, to: 10_000 };
/** A token that ends sooner is not used any more. */
const TOKEN_LIFE_MS_MIN = 2_000;

interface Deps extends Pick<PurchaseOptions, 'client' | 'watch' | 'records' | 'solve'> {
  readonly waits: Waits;
  readonly room: Room;
  /** Called before a proof of work is solved. */
  readonly onSolving: () => void;
  readonly retryOptions: (signal: AbortSignal) => RetryOptions;
}

/** The seckill token of a purchase. */
export class PurchaseTokens {
  readonly #deps: Deps;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** The one that is known, else a new one, with a proof of work if there must be one. */
  async current(signal: AbortSignal): Promise<string> {
    const { client, records, watch, solve, onSolving, retryOptions } = this.#deps;
    const { token, tokenUntilMs = 0, ticket } = records.read();
    if (token !== undefined && tokenUntilMs - client.clock.now() > TOKEN_LIFE_MS_MIN) return token;
    const issued = await seckillToken(client, watch.productId, {
      ...retryOptions(signal),
      ticket,
      solve: async (challenge) => {
        onSolving();
        return solve(challenge, signal);
      },
    });
    records.change({ token: issued.token, tokenUntilMs: Date.parse(issued.expires_at) });
    // A shopper who has stopped meanwhile must not buy with it now.
    signal.throwIfAborted();
    return issued.token;
  }

  /** Gets it before the start, so that the buy is a single call. */
  async fetchEarly(signal: AbortSignal): Promise<void> {
    const { client, waits, room } = this.#deps;
    // In a sale with a waiting room, only a called shopper gets one.
    if (await room.exists(signal)) return;
    const startMs = await waits.startMs(signal);
    const nowMs = client.clock.now();
    const { from, to } = TOKEN_BEFORE_START_MS;
    const firstMs = Math.max(nowMs, startMs - from);
    const lastMs = startMs - to;
    if (startMs <= nowMs) return;
    await waits.untilTime(firstMs + Math.random() * Math.max(0, lastMs - firstMs), signal);
    // The buy asks again if this fails.
    await this.current(signal).catch(() => undefined);
  }
}
