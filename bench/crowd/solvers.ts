import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { BuyOptions, Challenge, ShopperClient } from '@flash-sale/web/client';

/** No solution was found before the challenge expired. */
export class Unsolved extends Error {}

/**
 * Solves the proofs of work of all shoppers in separate threads. Real shoppers have a device each;
 * the crowd has one machine. A shopper asks for a challenge when a thread is free, so that no
 * challenge expires while it waits for one.
 */
export class Solvers {
  readonly #idle: Worker[] = [];
  readonly #waiting: ((thread: Worker) => void)[] = [];
  readonly #threads: Worker[] = [];

  /** The client of a shopper, and how it solves a challenge; two clicks solve two at a time. */
  equip(client: ShopperClient): { client: ShopperClient; solve: NonNullable<BuyOptions['solve']> } {
    const threads = new WeakMap<Challenge, Worker>();
    return {
      client: {
        ...client,
        challenge: async (productId, options) => {
          const mine = await this.#take();
          try {
            options?.signal?.throwIfAborted();
            const challenge = await client.challenge(productId, options);
            threads.set(challenge, mine);
            return challenge;
          } catch (error) {
            this.#giveBack(mine);
            throw error;
          }
        },
      },
      solve: async (challenge) => {
        const mine = threads.get(challenge)!;
        try {
          // oxlint-disable-next-line unicorn/require-post-message-target-origin -- A thread, not a window.
          mine.postMessage(challenge);
          const [solution] = (await once(mine, 'message')) as [string | undefined];
          if (solution === undefined) throw new Unsolved();
          return solution;
        } finally {
          this.#giveBack(mine);
        }
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  async #take(): Promise<Worker> {
    const idle = this.#idle.pop() ?? this.#start();
    return idle ?? new Promise((resolve) => this.#waiting.push(resolve));
  }

  #giveBack(thread: Worker): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(thread);
    else next(thread);
  }

  /** A new thread, unless each core has one. */
  #start(): Worker | undefined {
    if (this.#threads.length >= availableParallelism()) return undefined;
    const thread = new Worker(new URL('solver-thread.ts', import.meta.url));
    this.#threads.push(thread);
    return thread;
  }
}
