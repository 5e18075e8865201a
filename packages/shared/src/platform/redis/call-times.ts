import { CallLate } from './errors.ts';

/**
 * How long a call may take on its way. Callers wait for less time than this: a later call was sent
 * again or delayed, and its result is not needed.
 */
const CALL_LIFE_MS = 1_000;
/** How long a measured clock offset of a Redis is used. */
const KNOWN_MS = 1_000;
/** In another history, or if Redis was frozen, the time is measured again once. */
const TRIES_MAX = 2;

/**
 * The first arguments of a script: the history in which the time was measured, and the deadline
 * (ms) by Redis's clock.
 */
export type CallTime = readonly [historyId: string, deadlineMs: number];

interface Known {
  readonly historyId: string;
  readonly offsetMs: number;
  readonly learnedMs: number;
}

/**
 * Gives a deadline to calls that change something, since the driver repeats a call whose reply is
 * lost: a second run must not undo what happened after the first. The clock of a shard's Redis is
 * read at most once a second, and only while calls are made.
 */
export class CallTimes {
  readonly #ask: (shard: number) => Promise<{ nowMs: number; historyId: string }>;
  readonly #known = new Map<number, Promise<Known>>();

  constructor(ask: (shard: number) => Promise<{ nowMs: number; historyId: string }>) {
    this.#ask = ask;
  }

  /**
   * Sends a call with its deadline. A call that arrived too late has changed nothing, and is sent
   * once more with a new deadline.
   *
   * @throws CallLate if the second call arrived too late as well; and the errors of Redis
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
    if (known === undefined || isAnew || performance.now() - known.learnedMs > KNOWN_MS) {
      // Another call that found the time outdated has asked already.
      const asked = this.#known.get(shard);
      known = await (asked === undefined || asked === learning ? this.#learn(shard) : asked);
    }
    return [known.historyId, Math.floor(performance.now() + known.offsetMs) + CALL_LIFE_MS];
  }

  /** Reads the clock. Calls meanwhile wait for the same answer; a failure is not cached. */
  #learn(shard: number): Promise<Known> {
    const learning = (async () => {
      const learnedMs = performance.now();
      const { nowMs, historyId } = await this.#ask(shard);
      // The server read its clock at some time within the round trip. Its middle is the best
      // estimate.
      return { historyId, learnedMs, offsetMs: nowMs - (learnedMs + performance.now()) / 2 };
    })();
    this.#known.set(shard, learning);
    learning.catch(() => {
      if (this.#known.get(shard) === learning) this.#known.delete(shard);
    });
    return learning;
  }
}
