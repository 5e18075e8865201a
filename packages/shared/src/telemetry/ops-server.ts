import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

/** Whether a process can do its work, with what it says of its servers. */
export interface Readiness {
  readonly ready: boolean;
  readonly redis: boolean;
  /** `read_only`: it answers, and takes no writes. */
  readonly mysql: boolean | 'read_only';
}

/** Whether a process gets on with its work; anything but `ok` asks for a restart. */
export interface Health {
  readonly status: 'ok' | 'stuck';
  /** The shards whose jobs wait. */
  readonly shards?: readonly number[];
}

const HEADERS_TIMEOUT_MS = 5_000;

/** Opens a process's own port for operators: `/healthz`, `/readyz` and `/metrics`. */
export async function startOpsServer(
  address: { readonly host: string; readonly port: number },
  deps: {
    readonly registry: Registry;
    readonly readiness: () => Promise<Readiness>;
    /** Left out where a process that answers is healthy. */
    readonly health?: () => Health;
  },
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const routes: Record<string, () => Promise<{ status: number; type: string; body: string }>> = {
    '/healthz': () => {
      const health = deps.health?.() ?? { status: 'ok' };
      return Promise.resolve(json(health.status === 'ok' ? 200 : 503, health));
    },
    '/readyz': async () => {
      const { ready, ...servers } = await deps.readiness();
      return json(ready ? 200 : 503, { status: ready ? 'ready' : 'not_ready', ...servers });
    },
    '/metrics': async () => ({ status: 200, type: deps.registry.contentType, body: await deps.registry.metrics() }),
  };
  const server = createServer(
    { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: HEADERS_TIMEOUT_MS },
    (request, response) => {
      const route = routes[(request.url ?? '').split('?', 1)[0]!];
      const answer =
        route === undefined || request.method !== 'GET' ? Promise.resolve(json(404, { status: 'not_found' })) : route();
      void answer
        .catch(() => json(500, { status: 'error' }))
        .then(({ status, type, body }) => response.writeHead(status, { 'content-type': type }).end(body));
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(address.port, address.host, resolve);
  });
  return { port: (server.address() as AddressInfo).port, stop: () => close(server) };
}

/** Whether a server answers within the time that a readiness probe has. */
export async function answers(ping: () => Promise<unknown>, limit_ms = 1_000): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, limit_ms, false);
  });
  const answer = ping().then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([answer, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function json(status: number, body: object): { status: number; type: string; body: string } {
  return { status, type: 'application/json', body: JSON.stringify(body) };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
