import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';

const handedOut = new Set<number>();

/**
 * A port that was free a moment ago, never the same one twice. Another process may still take it,
 * so be ready to try again.
 */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  if (handedOut.has(port)) return freePort();
  handedOut.add(port);
  return port;
}

/**
 * The reason why a port cannot be used at one of these addresses: `EADDRINUSE`, `EACCES` (a
 * privileged port) and so on; undefined if it can. An address family that the machine lacks is no
 * problem.
 */
export async function portProblem(port: number, hosts: string[] = ['127.0.0.1']): Promise<string | undefined> {
  for (const host of hosts) {
    const server = createServer();
    try {
      server.listen({ port, host, exclusive: true });
      await once(server, 'listening');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EAFNOSUPPORT' || (code === 'EADDRNOTAVAIL' && host === '::1')) continue;
      return code;
    }
    server.close();
    await once(server, 'close');
  }
  return undefined;
}
