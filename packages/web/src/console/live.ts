import { Figures } from './figures.ts';
import type { FiguresEvent } from '../client/operator-types.ts';
import { eventsOf } from './server-events.ts';
import { adminPath, CallFailed, headersOf, request, type Session } from './session.ts';

export type Connection = 'connecting' | 'live' | 'lost';

const AGAIN_MS = 1_000;
/** The service sends an event each second. */
const SILENCE_MS_MAX = 5_000;

/** The live figures, for the views that show them. */
export class Live {
  readonly figures = new Figures();
  connection: Connection = 'connecting';
  readonly #listeners = new Set<() => void>();
  readonly #stopping = new AbortController();

  /** Reads the stream until `stop`, and connects again if it ends. */
  async run(session: Session, onRefused: () => void): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#read(session);
      } catch (error) {
        if (error instanceof CallFailed && error.status === 401) {
          onRefused();
          return;
        }
      }
      if (this.#stopping.signal.aborted) return;
      this.#become('lost');
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS * (1 + Math.random())));
    }
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Calls `listener` after each change, until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #read(session: Session): Promise<void> {
    const silence = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const heard = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MS_MAX);
    };
    try {
      heard();
      const signal = AbortSignal.any([this.#stopping.signal, silence.signal]);
      const answer = await request(adminPath('live'), { headers: headersOf(session), signal });
      this.figures.reconnect();
      for await (const { event, data } of eventsOf(answer.body!)) {
        heard();
        if (event !== 'figures') continue;
        this.figures.apply(JSON.parse(data) as FiguresEvent);
        this.#become('live');
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #become(connection: Connection): void {
    this.connection = connection;
    for (const listener of this.#listeners) listener();
  }
}
