import { once } from 'node:events';
import { connect, type AddressInfo, type Socket } from 'node:net';
import type { App } from '../../src/app.ts';

/** A connection on which anything can be sent, in any order and at any pace. */
export interface RawConnection {
  readonly socket: Socket;
  /** What has come back so far. */
  readonly received: () => string;
  send(text: string): void;
  /** Resolves when the server has closed the connection, to all that came back. */
  readonly closed: Promise<string>;
}

/** Makes an app listen on a free port of loopback. */
export async function listen({ server }: Pick<App, 'server'>): Promise<number> {
  await server.listen({ host: '127.0.0.1', port: 0 });
  return (server.server.address() as AddressInfo).port;
}

export async function connectRaw(port: number): Promise<RawConnection> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1');
  let text = '';
  const closed = Promise.withResolvers<string>();
  // A server that cuts off may reset the connection while we are still sending.
  socket.on('data', (part: string) => (text += part)).on('error', () => undefined);
  socket.once('close', () => closed.resolve(text));
  await once(socket, 'connect');
  return { socket, received: () => text, send: (part) => void socket.write(part, 'latin1'), closed: closed.promise };
}

/** The answers in what came back, one after the other. */
export function answersIn(text: string): { readonly status: number; readonly head: string }[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3})[\s\S]*?(?=HTTP\/1\.1 \d{3}|$)/g)].map(([head, status]) => ({
    status: Number(status),
    head,
  }));
}
