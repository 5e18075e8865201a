import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { OPERATOR_TOKEN } from './support.ts';

/** An answer as a client sees it. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
}

/** An order number that was promised with a 202, or the code of a refusal. */
export interface Outcome {
  readonly order_no?: string;
  readonly code?: string;
}

const SILENCE_MS_MAX = 35_000;
/** Hundreds of shoppers who come back more often would take the cores from what they wait for. */
const COME_BACK_MS = 250;

/** Calls of the service over real HTTP, on kept-alive connections. */
export class Shoppers {
  readonly #url: URL;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1_000 });

  constructor(url: URL) {
    this.#url = url;
  }

  close(): void {
    this.#agent.destroy();
  }

  /**
   * @throws if the connection breaks before the whole answer arrived; `reused`: it was a kept-alive
   * connection, which a server may close just as a request comes
   */
  call(
    method: 'GET' | 'POST' | 'PATCH',
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const call = request(
        new URL(path, this.#url),
        {
          method,
          agent: this.#agent,
          timeout: SILENCE_MS_MAX,
          headers: { ...(payload === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        },
        (response) => {
          let text = '';
          response
            .setEncoding('utf8')
            .on('data', (part: string) => (text += part))
            .on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body: text }))
            .on('error', reject)
            .on('aborted', () => reject(new Error('the answer broke off')));
        },
      );
      call
        .on('error', (error) => reject(Object.assign(error, { reused: call.reusedSocket })))
        .on('timeout', () => call.destroy(new Error('no answer')));
      call.end(payload);
    });
  }

  /** Opens a sale as an operator does. Returns its product id. */
  async openSale(seckillStock: number): Promise<number> {
    const product = {
      name: 'One of few',
      price: 19.99,
      stock: 1_000_000,
      seckill_stock: seckillStock,
      start_time: new Date(Date.now() - 60_000).toISOString(),
      end_time: new Date(Date.now() + 3_600_000).toISOString(),
    };
    const answer = await this.call('POST', '/api/v1/admin/products', product, {
      authorization: `Bearer ${OPERATOR_TOKEN}`,
    });
    if (answer.status !== 201) throw new Error(`no sale: ${answer.body}`);
    return (JSON.parse(answer.body) as { id: number }).id;
  }

  /**
   * A seckill token. Retries if a server is too busy. An opened sale is ready, so `not_ready` is
   * not retried.
   */
  async token(productId: number, userId: string): Promise<string> {
    for (;;) {
      const { body } = await this.call('POST', '/api/v1/seckill/token', { user_id: userId, product_id: productId });
      const { token, code } = JSON.parse(body) as { token?: string; code?: string };
      if (token !== undefined) return token;
      if (code !== 'unavailable' && code !== 'overloaded') throw new Error(`no seckill token for ${userId}: ${body}`);
      await delay(COME_BACK_MS);
    }
  }

  buy(productId: number, userId: string, token: string, headers?: Record<string, string>): Promise<Answer> {
    return this.call('POST', '/api/v1/seckill/buy', { user_id: userId, product_id: productId, token }, headers);
  }

  /**
   * Buys as a patient client does: it retries after a broken connection, a 503 or a 429, and a
   * retry returns the same order. It calls `promised` for every 202.
   */
  async buyUntilDecided(
    productId: number,
    userId: string,
    token: string,
    promised: (orderNo: string) => void,
  ): Promise<Outcome> {
    for (;;) {
      let answer: Answer;
      try {
        answer = await this.buy(productId, userId, token);
      } catch {
        await delay(COME_BACK_MS);
        continue;
      }
      const outcome = outcomeOf(answer);
      if (outcome.order_no !== undefined) promised(outcome.order_no);
      if (answer.status !== 503 && answer.status !== 429) return outcome;
      await delay(COME_BACK_MS);
    }
  }

  /**
   * The final status of an order, by long polls. It repeats a poll after a broken connection or a
   * 503.
   */
  async settled(orderNo: string): Promise<string> {
    for (;;) {
      try {
        const answer = await this.call('GET', `/api/v1/orders/${orderNo}?wait=20`);
        if (answer.status === 404) return 'not_found';
        const { status } = JSON.parse(answer.body) as { status: string };
        if (answer.status === 200 && status !== 'queued') return status;
      } catch {
        // Repeat the poll.
      }
      await delay(COME_BACK_MS);
    }
  }
}

/**
 * Sends buys on one connection without waiting for their answers (HTTP pipelining). This costs so
 * little that a test can put an api under load. Returns the answers in order.
 */
export async function buyPipelined(url: URL, bodies: readonly object[]): Promise<Answer[]> {
  const socket = connect(Number(url.port), url.hostname).setEncoding('latin1');
  const done = Promise.withResolvers<void>();
  const answers: Answer[] = [];
  let text = '';
  socket.on('error', done.reject).on('close', () => done.reject(new Error('the service hung up')));
  socket.on('data', (part: string) => {
    text += part;
    for (;;) {
      const headEnd = text.indexOf('\r\n\r\n');
      if (headEnd < 0) return;
      const [statusLine, ...lines] = text.slice(0, headEnd).split('\r\n');
      const headers = Object.fromEntries(lines.map((line) => line.split(': ', 2) as [string, string]));
      const bodyEnd = headEnd + 4 + Number(headers['content-length']);
      if (text.length < bodyEnd) return;
      const body = text.slice(headEnd + 4, bodyEnd);
      answers.push({ status: Number(statusLine!.split(' ', 2)[1]), headers, body });
      text = text.slice(bodyEnd);
      if (answers.length === bodies.length) done.resolve();
    }
  });
  const head = `POST /api/v1/seckill/buy HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\n`;
  const requests = bodies.map((body) => {
    const payload = JSON.stringify(body);
    return `${head}content-length: ${Buffer.byteLength(payload)}\r\n\r\n${payload}`;
  });
  socket.write(requests.join(''));
  try {
    await done.promise;
    return answers;
  } finally {
    socket.destroy();
  }
}

export function outcomeOf({ body }: Answer): Outcome {
  const { order_no: orderNo, code } = JSON.parse(body) as Outcome;
  return orderNo === undefined ? { code: code! } : { order_no: orderNo };
}

/** Does `work` for each item, at most `atOnce` at a time; the results in order. */
export async function each<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  const one = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i]!, i);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  return results;
}
