import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { queryIn } from '@flash-sale/shared/testing/mysql-wire.ts';

/** What happens to the next COMMIT. */
type CommitFault =
  /** The server never gets it: the transaction is rolled back. */
  | 'lose_request'
  /** The server commits, but the client gets no reply. */
  | 'lose_reply';

/** A COMMIT whose reply is held back: MySQL has committed while the client still waits. */
export interface HeldReply {
  /** Resolves when the server has answered. */
  readonly committed: Promise<void>;
  /** Forwards the answer. */
  release(): void;
}

/** A TCP proxy before a real MySQL that loses requests and replies, as a network does. */
export interface MysqlProxy {
  readonly host: string;
  readonly port: number;
  /** Loses one COMMIT or its reply and cuts its connection; resolves after that. */
  spoilNextCommit(fault: CommitFault): Promise<void>;
  holdNextCommitReply(): HeldReply;
  /** Cuts all connections and all new ones, as if MySQL is away. */
  cut(): void;
  restore(): void;
}

/** Opens a proxy for as long as the test runs. */
export async function openMysqlProxy(server: { host: string; port: number }): Promise<MysqlProxy> {
  const sockets = new Set<Socket>();
  let isCut = false;
  /** Takes over the connection whose COMMIT comes next. `forward` passes the request on. */
  let onCommit: ((client: Socket, upstream: Socket, forward: () => void) => void) | undefined;

  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    // The test wants a cut connection. Its user sees the end of it.
    socket.on('error', () => undefined);
  };

  const listener = createServer((client) => {
    track(client);
    if (isCut) {
      client.destroy();
      return;
    }
    const upstream = connect(server.port, server.host);
    track(upstream);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
    const handshake = { greeting: '', response: '' };
    upstream.once('data', (bytes) => (handshake.greeting = bytes.toString('latin1')));
    upstream.on('data', (bytes) => client.write(bytes));
    client.once('data', (bytes) => (handshake.response = bytes.toString('latin1')));
    client.on('data', (bytes) => {
      const forward = (): void => void upstream.write(bytes);
      const takeOver = onCommit;
      if (takeOver === undefined || queryIn(handshake, bytes.toString('latin1')) !== 'commit') {
        forward();
        return;
      }
      onCommit = undefined;
      takeOver(client, upstream, forward);
    });
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');

  const cut = (): void => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(async () => {
    cut();
    listener.close();
    await once(listener, 'close');
  });

  return {
    host: '127.0.0.1',
    port: (listener.address() as AddressInfo).port,
    spoilNextCommit(fault) {
      return new Promise((resolve) => {
        onCommit = (client, upstream, forward) => {
          const end = (): void => {
            client.destroy();
            upstream.destroy();
            resolve();
          };
          if (fault === 'lose_request') {
            end();
            return;
          }
          upstream.removeAllListeners('data').once('data', end);
          forward();
        };
      });
    },
    holdNextCommitReply() {
      let release = (): void => undefined;
      const committed = new Promise<void>((resolve) => {
        onCommit = (client, upstream, forward) => {
          upstream.removeAllListeners('data').once('data', (reply) => {
            release = () => {
              upstream.on('data', (bytes) => client.write(bytes));
              client.write(reply);
            };
            resolve();
          });
          forward();
        };
      });
      return { committed, release: () => release() };
    },
    cut,
    restore() {
      isCut = false;
    },
  };
}
