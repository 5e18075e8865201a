import { Agent, request } from 'node:http';
import type { Call, CallKind, History } from './history.ts';

/** One HTTP call to make. */
export interface CallPlan {
  readonly kind: CallKind;
  readonly shopper: string;
  readonly sale: number;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: Record<string, unknown>;
  readonly token?: string;
  readonly quantity?: number;
  readonly order_no?: string;
  readonly headers?: Record<string, string>;
  /** The index of the api process to call. Default: the next one in turn. */
  readonly api?: number;
  /** How long to wait for the answer. */
  readonly patience_ms?: number;
  /** Sends the call and leaves without reading the answer. */
  readonly vanish?: boolean;
}

const PATIENCE_MS = 3_000;

/**
 * Calls the service over HTTP like any client, and records every call with its answer. It shares no
 * code with the service and repeats nothing by itself: the shopper decides what to repeat.
 */
export class Client {
  readonly #history: History;
  readonly #agents: readonly { readonly port: number; readonly agent: Agent }[];
  #turn = 0;
  #buysInFlight = 0;
  #callsInFlight = 0;
  readonly #waitingForBuys = new Set<() => void>();
  #held: Promise<void> | undefined;

  constructor(history: History, ports: readonly number[]) {
    this.#history = history;
    this.#agents = ports.map((port) => ({ port, agent: new Agent({ keepAlive: true, maxFreeSockets: 256 }) }));
  }

  get apis(): number {
    return this.#agents.length;
  }

  /** The number of buys without an answer yet. */
  get buysInFlight(): number {
    return this.#buysInFlight;
  }

  get callsInFlight(): number {
    return this.#callsInFlight;
  }

  /**
   * Resolves, within the same tick, when at least this many buys are in flight; false after
   * `limitMs`.
   */
  async untilBuysInFlight(count: number, limitMs: number): Promise<boolean> {
    const untilMs = Date.now() + limitMs;
    while (this.#buysInFlight < count) {
      const leftMs = untilMs - Date.now();
      if (leftMs <= 0) return false;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, leftMs);
      this.#waitingForBuys.add(resolve);
      await promise;
      clearTimeout(timer);
      this.#waitingForBuys.delete(resolve);
    }
    return true;
  }

  /** Holds back every call until the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held = promise;
    return () => {
      this.#held = undefined;
      resolve();
    };
  }

  /** Never rejects: a call without an answer has `status` null. */
  async call(plan: CallPlan): Promise<Call> {
    await this.#held;
    const api = plan.api ?? (this.#turn += 1) % this.#agents.length;
    const isBuy = plan.kind === 'buy';
    this.#callsInFlight += 1;
    const sentMs = Date.now();
    const answering = this.#exchange(plan, api);
    if (isBuy) {
      this.#buysInFlight += 1;
      for (const wake of this.#waitingForBuys) wake();
    }
    const { status, retry_after: retryAfter, body } = await answering;
    this.#callsInFlight -= 1;
    if (isBuy) this.#buysInFlight -= 1;
    const call: Call = {
      kind: plan.kind,
      shopper: plan.shopper,
      sale: plan.sale,
      api,
      ...(plan.token === undefined ? {} : { token: plan.token }),
      ...(plan.quantity === undefined ? {} : { quantity: plan.quantity }),
      ...(plan.order_no === undefined ? {} : { order_no: plan.order_no }),
      sent_ms: sentMs,
      answered_ms: Date.now(),
      status,
      retry_after: retryAfter,
      body,
    };
    this.#history.add(call);
    return call;
  }

  close(): void {
    for (const { agent } of this.#agents) agent.destroy();
  }

  #exchange(plan: CallPlan, api: number): Promise<Pick<Call, 'status' | 'retry_after' | 'body'>> {
    const { port, agent } = this.#agents[api % this.#agents.length]!;
    const payload = plan.body === undefined ? undefined : JSON.stringify(plan.body);
    return new Promise((resolve) => {
      const lost = () => resolve({ status: null, retry_after: null, body: null });
      const sent = request(
        {
          host: '127.0.0.1',
          port,
          agent,
          method: plan.method,
          path: plan.path,
          signal: AbortSignal.timeout(plan.patience_ms ?? PATIENCE_MS),
          headers: {
            ...(payload === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
            ...plan.headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', lost);
          response.on('aborted', lost);
          response.on('end', () => {
            const retryAfter = response.headers['retry-after'];
            resolve({
              status: response.statusCode ?? null,
              retry_after: retryAfter ?? null,
              body: parse(Buffer.concat(chunks).toString()),
            });
          });
        },
      );
      sent.on('error', lost);
      sent.end(payload);
      // Long enough for the call to be sent, too short to read every answer.
      if (plan.vanish === true) setTimeout(() => sent.destroy(new Error('the shopper has left')), 2);
    });
  }
}

function parse(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
