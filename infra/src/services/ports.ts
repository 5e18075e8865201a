import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * The ports that `freePort` gives out. They are below those that a system gives to outgoing
 * connections (Linux from 32,768 on, others from 49,152 on): one of these may be taken at any time.
 */
const FREE_PORTS = { first: 20_000, count: 12_000 } as const;

/** The neighbours of a port stay free: the ports of several processes count up from one. */
const STEP = 7;
/** Processes that look for ports at the same time begin at different places. */
let next = (process.pid * 101) % FREE_PORTS.count;

/**
 * A port that was free a moment ago, not one that this process was given before. Another process
 * may still take it, so be ready to try again.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < FREE_PORTS.count; tries += 1) {
    const port = FREE_PORTS.first + next;
    next = (next + STEP) % FREE_PORTS.count;
    if ((await portProblem(port)) === undefined) return port;
  }
  throw new Error(`none of the ${FREE_PORTS.count} ports from ${FREE_PORTS.first} on is free`);
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
