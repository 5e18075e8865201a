import { CallLate } from './errors.ts';

/** How long a call may take on its way. Callers wait for less; what arrives later was sent again, or kept back, and nobody wants it. */
const CALL_LIFE_MS = 1_000;
/** How long what is known of a Redis's clock is used. */
const KNOWN_MS = 1_000;
/** In another history, or where Redis was frozen, the time is learned anew once. */
const TRIES_MAX = 2;

/** What is put before the arguments of a script: the history that the time was told in, and the deadline (ms) by Redis's clock. */
export type CallTime = readonly [history_id: string, deadline_ms: number];

interface Known {
  readonly history_id: string;
  readonly offset_ms: number;
  readonly learned_ms: number;
}

/**
 * Gives calls that change something a time until which they may run, since the driver sends a call again when its reply is lost: a second run
 * must not undo what came after the first. The clock of a shard's Redis is asked at most once a second, and only while calls are made.
 */
export class CallTimes {
  readonly #ask: (shard: number) => Promise<{ now_ms: number; history_id: string }>;
  readonly #known = new Map<number, Promise<Known>>();

  constructor(ask: (shard: number) => Promise<{ now_ms: number; history_id: string }>) {
    this.#ask = ask;
  }

  /**
   * Sends a call with its time. One that came too late has changed nothing, and is sent once more with a new time.
   *
   * @throws CallLate where that one came too late as well; and the errors of Redis
   */
  async send<Reply>(
    shard: number,
    call: (time: CallTime) => Promise<Reply>,
    isLate: (reply: Reply) => boolean,
  ): Promise<Reply> {
    for (let tries = 1; ; tries += 1) {
      const reply = await call(await this.#time(shard, tries > 1));
      if (!isLate(reply)) return reply;
      if (tries === TRIES_MAX) throw new CallLate();
    }
  }

  async #time(shard: number, isAnew: boolean): Promise<CallTime> {
    const learning = this.#known.get(shard);
    let known = await learning;
    if (known === undefined || isAnew || performance.now() - known.learned_ms > KNOWN_MS) {
      // Whoever else found it old has asked already.
      const asked = this.#known.get(shard);
      known = await (asked === undefined || asked === learning ? this.#learn(shard) : asked);
    }
    return [known.history_id, Math.floor(performance.now() + known.offset_ms) + CALL_LIFE_MS];
  }

  /** Asks the clock. Calls that come meanwhile wait for the same answer; a failure is not kept. */
  #learn(shard: number): Promise<Known> {
    const learning = (async () => {
      const learned_ms = performance.now();
      const { now_ms, history_id } = await this.#ask(shard);
      // The answer was true somewhere in the round trip; its middle is the best guess.
      return { history_id, learned_ms, offset_ms: now_ms - (learned_ms + performance.now()) / 2 };
    })();
    this.#known.set(shard, learning);
    learning.catch(() => {
      if (this.#known.get(shard) === learning) this.#known.delete(shard);
    });
    return learning;
  }
}
