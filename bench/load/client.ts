import { Pool } from 'undici';
import type { PlannedRequest } from './request.ts';

export interface Answer {
  /** 0 if there was no answer. */
  readonly status: number;
  readonly body: string;
}

/** Keeps connections to one or several processes open, and calls the processes in turn. */
export class Client {
  readonly #pools: readonly Pool[];
  #turn = 0;

  constructor(urls: readonly string[], connections: number) {
    const each = Math.max(1, Math.ceil(connections / urls.length));
    this.#pools = urls.map((url) => new Pool(url, { connections: each, pipelining: 1, headersTimeout: 30_000 }));
  }

  /** Never rejects: a call without an answer has status 0 and the reason as its body. */
  call({ method, path, body, headers }: PlannedRequest): Promise<Answer> {
    const pool = this.#pools[(this.#turn += 1) % this.#pools.length]!;
    return new Promise((resolve) => {
      let status = 0;
      let text = '';
      pool.dispatch(
        { method, path, body: body ?? null, headers: headers ?? {} },
        {
          onRequestStart: () => undefined,
          onResponseStart: (_controller, statusCode) => {
            status = statusCode;
          },
          onResponseData: (_controller, chunk) => {
            text += chunk.toString('latin1');
          },
          onResponseEnd: () => resolve({ status, body: text }),
          onResponseError: (_controller, error) => resolve({ status: 0, body: error.message }),
        },
      );
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.destroy()));
  }
}

/** Calls `visit` for every index below `count`, `atOnce` at a time. */
export async function inParallel(
  count: number,
  atOnce: number,
  visit: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const line = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      await visit(index);
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, atOnce) }, line));
}
