import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import { createServer } from '../node-http.ts';

/** Whether a process can do its work, with the state of its servers. */
export interface Readiness {
  readonly ready: boolean;
  readonly redis: boolean;
  /** `read_only`: it answers, but accepts no writes. */
  readonly mysql: boolean | 'read_only';
}

/** Whether a process makes progress. Any status except `ok` asks for a restart. */
export interface Health {
  readonly status: 'ok' | 'stuck';
  /** The shards with waiting jobs. */
  readonly shards?: readonly number[];
}

/** How a process answers probes. */
export interface Probes {
  readonly readiness: () => Promise<Readiness>;
  /** Omitted if every process that answers is healthy. */
  readonly health?: () => Health;
}

const HEADERS_TIMEOUT_MS = 5_000;

interface OpsAnswer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

/**
 * Opens a process's own port for operators: `/healthz`, `/readyz` and `/metrics`. A probe gets the
 * same answers as on the API's port.
 */
export async function startOpsServer(
  address: { readonly host: string; readonly port: number },
  deps: Probes & { readonly registry: Registry },
): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const routes: Readonly<Record<string, () => Promise<OpsAnswer>>> = {
    '/healthz': () => {
      const health = deps.health?.() ?? { status: 'ok' };
      return Promise.resolve(json(health.status === 'ok' ? 200 : 503, health));
    },
    '/readyz': async () => {
      const { status, body } = readyzAnswer(await deps.readiness());
      return json(status, body);
    },
    '/metrics': async () => ({ status: 200, type: deps.registry.contentType, body: await deps.registry.metrics() }),
  };
  const server = createServer(
    { headersTimeout: HEADERS_TIMEOUT_MS, requestTimeout: HEADERS_TIMEOUT_MS },
    (request, response) => {
      const path = pathOf(request.url ?? '');
      const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
      const isRead = request.method === 'GET' || request.method === 'HEAD';
      if (route !== undefined && !isRead) response.setHeader('allow', 'GET, HEAD');
      void answerOf(route, isRead)
        .catch(() => json(500, { status: 'error' }))
        .then(({ status, type, body }) =>
          response
            .writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
            // Node.js drops the body of an answer to HEAD.
            .end(body),
        );
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(address.port, address.host, resolve);
  });
  return { port: (server.address() as AddressInfo).port, stop: () => close(server) };
}

/** The answer of `/readyz`, on the ops port and on the API's. */
export function readyzAnswer({ ready, ...servers }: Readiness): { readonly status: 200 | 503; readonly body: object } {
  return { status: ready ? 200 : 503, body: { status: ready ? 'ready' : 'not_ready', ...servers } };
}

/** Whether a server answers within the time of a readiness probe. */
export async function answers(ping: () => Promise<unknown>, limitMs = 1_000): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, limitMs, false);
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

async function answerOf(route: (() => Promise<OpsAnswer>) | undefined, isRead: boolean): Promise<OpsAnswer> {
  if (route === undefined) return json(404, { status: 'not_found' });
  return isRead ? route() : json(405, { status: 'method_not_allowed' });
}

/**
 * The path of a request target, which may be a whole URL (RFC 9112, 3.2.2), percent-encoded, and
 * have a query.
 */
function pathOf(target: string): string {
  const path = target.replace(/^https?:\/\/[^/?#]*/i, '').split(/[?#]/, 1)[0]!;
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}

function json(status: number, body: object): OpsAnswer {
  return { status, type: 'application/json', body: JSON.stringify(body) };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
