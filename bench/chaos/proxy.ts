import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** More than a handshake and the first statement of a session. */
const OPENING_LENGTH_MAX = 800;
/** More than MySQL's first packet. */
const GREETING_LENGTH_MAX = 200;

/** The data for a watcher: bytes that a client has sent and the server has not received yet. */
export interface Passing {
  /** The client of the connection: the name for which its port was opened. */
  readonly client: string;
  /** The same number for all data of one connection. */
  readonly connection: number;
  /**
   * The beginning of the connection. A client's first data show what it uses the connection for.
   */
  readonly opening: string;
  /** The beginning of what the server has sent: of MySQL, its version and what it can do. */
  readonly greeting: string;
  readonly text: string;
}

/**
 * What happens to the bytes: they are forwarded, lost with their connection, or their reply is
 * lost.
 */
export type Verdict = 'pass' | 'cut' | 'drop_reply';

export type Watcher = (passing: Passing) => Verdict;

interface Pair {
  readonly id: number;
  readonly client: string;
  readonly near: Socket;
  readonly far: Socket;
  opening: string;
  greeting: string;
  dropReply: boolean;
}

/**
 * A TCP proxy in front of one server that can lose, cut, delay and withhold data. Every client
 * process has its own port, so that the sender is known. It forwards bytes and does not know the
 * protocol; watchers may search for text.
 */
export class Proxy {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #servers: Server[] = [];
  readonly #pairs = new Set<Pair>();
  readonly #watchers = new Set<Watcher>();
  #connections = 0;
  #delayMs = 0;
  #open: Promise<void> | undefined;
  #reopen: (() => void) | undefined;

  constructor(port: number, host = '127.0.0.1') {
    this.#target = { host, port };
  }

  /** Opens a port for a client, and returns it. */
  async listen(client: string): Promise<number> {
    const server = createServer({ allowHalfOpen: false, noDelay: true }, (near) => this.#accept(client, near));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#servers.push(server);
    return (server.address() as AddressInfo).port;
  }

  /** Ends every connection, like a broken cable or a restarted gateway. */
  cut(): void {
    for (const pair of this.#pairs) end(pair);
  }

  /** Delays every chunk, in both directions, by this time; 0 ends that. */
  delay(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  /**
   * Withholds all data, in both directions and of new connections too, until it is called with
   * false. Then the data arrive late and in order, as TCP ensures after a lost route.
   */
  blackHole(on: boolean): void {
    if (on) {
      this.#open ??= new Promise((resolve) => (this.#reopen = resolve));
    } else {
      this.#reopen?.();
      this.#open = undefined;
    }
  }

  /** Shows what clients send before it is forwarded. Returns a function that ends that. */
  watch(watcher: Watcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  async close(): Promise<void> {
    this.blackHole(false);
    this.cut();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  #accept(client: string, near: Socket): void {
    const far = connect({ ...this.#target, noDelay: true });
    const pair: Pair = { id: (this.#connections += 1), client, near, far, opening: '', greeting: '', dropReply: false };
    this.#pairs.add(pair);
    for (const socket of [near, far]) {
      socket.on('error', () => end(pair));
      socket.on('close', () => {
        // The last data of a closing side are still on their way to the other side.
        if (this.#open === undefined && this.#delayMs === 0) end(pair);
        else void this.#later().then(() => end(pair));
        this.#pairs.delete(pair);
      });
    }
    const toServer = this.#line(far);
    near.on('data', (chunk) => {
      const verdict = this.#verdict(pair, chunk);
      if (verdict === 'cut') return end(pair);
      if (verdict === 'drop_reply') pair.dropReply = true;
      toServer(chunk);
    });
    const toClient = this.#line(near);
    far.on('data', (chunk) => {
      if (pair.greeting.length < GREETING_LENGTH_MAX) pair.greeting += chunk.toString('latin1', 0, GREETING_LENGTH_MAX);
      if (pair.dropReply) end(pair);
      else toClient(chunk);
    });
  }

  #verdict(pair: Pair, chunk: Buffer): Verdict {
    if (pair.opening.length < OPENING_LENGTH_MAX) pair.opening += chunk.toString('latin1');
    if (this.#watchers.size === 0) return 'pass';
    const { client, id: connection, opening, greeting } = pair;
    const passing = { client, connection, opening, greeting, text: chunk.toString('latin1') };
    for (const watcher of this.#watchers) {
      const verdict = watcher(passing);
      if (verdict !== 'pass') return verdict;
    }
    return 'pass';
  }

  /** Forwards to a socket in order: at once if nothing waits, else after what waits. */
  #line(to: Socket): (chunk: Buffer) => void {
    let last: Promise<void> | undefined;
    return (chunk) => {
      if (last === undefined && this.#open === undefined && this.#delayMs === 0) {
        to.write(chunk);
        return;
      }
      const before = last;
      const pass = async (): Promise<void> => {
        await Promise.all([this.#later(), before]);
        to.write(chunk);
        if (last === passed) last = undefined;
      };
      const passed: Promise<void> = pass();
      last = passed;
    };
  }

  /** Resolves when data that arrive now may be forwarded. */
  async #later(): Promise<void> {
    const delayMs = this.#delayMs;
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    await this.#open;
  }
}

function end({ near, far }: Pair): void {
  near.destroy();
  far.destroy();
}
