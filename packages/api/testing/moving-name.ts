import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

interface Server {
  readonly host: string;
  readonly port: number;
}

/**
 * One address that first connects to one server and later to another, as a DNS name does.
 * Connections that are open at that moment stay open.
 */
export interface MovingName {
  readonly host: string;
  readonly port: number;
  /** Sends new connections to this server from now on. */
  leadTo(server: Server): void;
  /** The number of connections to this server now. */
  connectionsTo(server: Server): number;
  close(): Promise<void>;
}

export async function openMovingName(first: Server): Promise<MovingName> {
  let target = first;
  /** The client's end of each connection → the port of its server. */
  const open = new Map<Socket, number>();
  const listener = createServer((client) => {
    const server = connect(target.port, target.host);
    open.set(client, target.port);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.pipe(to);
      // The other side sees the end of it.
      from.on('error', () => undefined).on('close', () => to.destroy());
    }
    client.on('close', () => open.delete(client));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    host: '127.0.0.1',
    port: (listener.address() as AddressInfo).port,
    leadTo(server) {
      target = server;
    },
    connectionsTo: ({ port }) => [...open.values()].filter((to) => to === port).length,
    async close() {
      for (const client of open.keys()) client.destroy();
      listener.close();
      await once(listener, 'close');
    },
  };
}
