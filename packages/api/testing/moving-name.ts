import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

interface Server {
  readonly host: string;
  readonly port: number;
}

/**
 * One address that leads to one server and later to another, as a DNS name does. Connections that
 * are open when it moves stay where they are.
 */
export interface MovingName {
  readonly host: string;
  readonly port: number;
  /** Leads new connections to this server from now on. */
  leadTo(server: Server): void;
  /** How many connections lead to this server now. */
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
