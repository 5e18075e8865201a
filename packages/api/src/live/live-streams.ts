import { Readable } from 'node:stream';
import { repeating, type Service } from '@flash-sale/shared/platform/process/service.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import { changeOf } from './reading.ts';
import type { Reading } from './reading-schema.ts';

const INTERVAL_MS = 1_000;
/** Open streams of a process. */
const STREAMS_MAX = 200;
/** A console that is this far behind is cut off. It connects again and gets a whole reading. */
const UNREAD_BYTES_MAX = 4 * 1024 * 1024;
/** When a console connects again after its stream has ended. */
const RETRY_MS = 1_000;

export interface LiveStreamsDeps {
  readonly read: () => Promise<Reading>;
  readonly log: Logger;
  /** Tests set it lower. */
  readonly streamsMax?: number | undefined;
}

/**
 * The streams of the consoles that are open at this process. While there is one, the figures are
 * read once a second; one reading, and one text of it, serves all of them. A stream begins with a
 * whole reading, and goes on with what has changed.
 */
export class LiveStreams {
  readonly #deps: LiveStreamsDeps;
  readonly #streams = new Set<Readable>();
  /** Streams that have no reading yet. */
  readonly #fresh = new Set<Readable>();
  #last: Reading | undefined;
  #rounds: Service | undefined;
  #closed = false;

  constructor(deps: LiveStreamsDeps) {
    this.#deps = deps;
  }

  /** A new stream of server-sent events; undefined if there are too many. */
  open(): Readable | undefined {
    if (this.#closed || this.#streams.size >= (this.#deps.streamsMax ?? STREAMS_MAX)) return undefined;
    const stream = new Readable({ read: () => undefined });
    stream.push(`retry: ${RETRY_MS}\n\n`);
    this.#streams.add(stream);
    this.#fresh.add(stream);
    stream.once('close', () => this.#leave(stream));
    this.#rounds ??= this.#start();
    return stream;
  }

  /** Ends all streams, and opens no more. */
  close(): void {
    this.#closed = true;
    void this.#rounds?.stop();
    for (const stream of this.#streams) stream.push(null);
    // A reading that is under way finds no stream any more.
    this.#streams.clear();
    this.#fresh.clear();
  }

  #start(): Service {
    const rounds = repeating(
      {
        name: 'live',
        intervalMs: INTERVAL_MS,
        round: async () => {
          const beganMs = performance.now();
          this.#send(await this.#deps.read());
          return Math.max(0, INTERVAL_MS - (performance.now() - beganMs));
        },
      },
      this.#deps.log,
    );
    rounds.start();
    return rounds;
  }

  #send(reading: Reading): void {
    const change = eventOf(changeOf(this.#last, reading));
    let whole: Buffer | undefined;
    for (const stream of this.#streams) {
      const isFresh = this.#fresh.delete(stream);
      if (isFresh) whole ??= eventOf(changeOf(undefined, reading));
      stream.push(isFresh ? whole! : change);
      if (stream.readableLength > UNREAD_BYTES_MAX) stream.destroy();
    }
    this.#last = reading;
  }

  #leave(stream: Readable): void {
    this.#streams.delete(stream);
    this.#fresh.delete(stream);
    if (this.#streams.size > 0) return;
    void this.#rounds?.stop();
    this.#rounds = undefined;
    this.#last = undefined;
  }
}

const eventOf = (data: object): Buffer => Buffer.from(`event: figures\ndata: ${JSON.stringify(data)}\n\n`);
