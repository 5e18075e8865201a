import { once } from 'node:events';
import { createWriteStream, mkdirSync, type WriteStream } from 'node:fs';
import { dirname } from 'node:path';

export type CallKind = 'open' | 'join' | 'place' | 'token' | 'buy' | 'poll' | 'pay' | 'cancel' | 'refund' | 'product';

/** One HTTP call with its answer. Times are milliseconds since the epoch. */
export interface Call {
  readonly kind: CallKind;
  /** The caller; empty for the run's own calls. */
  readonly shopper: string;
  readonly sale: number;
  /** The index of the called api process. */
  readonly api: number;
  /** The seckill token of a buy. */
  readonly token?: string;
  /** The units that a buy asks for. */
  readonly quantity?: number;
  /** The order of the call; for a buy, the answer names it. */
  readonly order_no?: string;
  readonly sent_ms: number;
  readonly answered_ms: number;
  /** Null if there was no answer. */
  readonly status: number | null;
  readonly retry_after: string | null;
  readonly body: Record<string, unknown> | null;
}

/** Other events of the run: phases, faults, samples, final readings. */
export type HistoryEvent = { readonly event: string; readonly at_ms: number } & Record<string, unknown>;

/**
 * The history of a round: kept for the checker, and written to a JSONL file line by line, so that
 * an interrupted run also has one.
 */
export class History {
  readonly path: string;
  readonly calls: Call[] = [];
  readonly #stream: WriteStream;

  constructor(path: string) {
    this.path = path;
    mkdirSync(dirname(path), { recursive: true });
    this.#stream = createWriteStream(path);
  }

  add(call: Call): void {
    this.calls.push(call);
    this.#stream.write(`${JSON.stringify(call)}\n`);
  }

  note(event: string, fields: Record<string, unknown> = {}): void {
    const line: HistoryEvent = { event, at_ms: Date.now(), ...fields };
    this.#stream.write(`${JSON.stringify(line)}\n`);
  }

  async close(): Promise<void> {
    this.#stream.end();
    await once(this.#stream, 'close');
  }
}
