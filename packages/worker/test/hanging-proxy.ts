import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * A TCP proxy that can stop forwarding while its connections stay open, as a network does that
 * loses every packet.
 */
export interface HangingProxy {
  /** `host:port` */
  readonly address: string;
  hang(): void;
  /** Breaks the connections, and accepts none any more. */
  close(): void;
}

export async function openHangingProxy(target: string): Promise<HangingProxy> {
  const [host, port] = target.split(':');
  const sockets = new Set<Socket>();
  let isHanging = false;
  const forward = (from: Socket, to: Socket): void => {
    sockets.add(from);
    from.on('data', (bytes) => isHanging || to.write(bytes));
    from.on('error', () => undefined);
    from.on('close', () => to.destroy());
  };
  const listener = createServer((client) => {
    const server = connect(Number(port), host);
    forward(client, server);
    forward(server, client);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    address: `127.0.0.1:${(listener.address() as AddressInfo).port}`,
    hang() {
      isHanging = true;
    },
    close() {
      listener.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
