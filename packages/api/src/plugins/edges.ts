import { readFileSync } from 'node:fs';
import type { FastifyHttpOptions, FastifyInstance } from 'fastify';
import type { Server } from 'node:http';
import type { Config } from '@flash-sale/shared/platform/config/config.ts';
import type { Logger } from '@flash-sale/shared/platform/telemetry/logger.ts';
import type { AppBounds } from '../deps.ts';
import { PATH_PART_LENGTH_MAX } from '../fields.ts';
import { withoutBasePath } from './base-path.ts';
import { refuseUnread, refuseUnrouted } from './problems.ts';
import { trusts } from './trusted-proxies.ts';

/** The body limit of operators' calls, and of any route without a limit of its own. */
const BODY_BYTES_MAX = 16_384;
/**
 * How often Node.js checks for late requests. A shorter limit is checked as often as it is long.
 */
const LATE_CHECK_MS = 500;
const SAID_AGAIN_MS = 10_000;
/** If the headers of a request take longer to arrive, its connection is closed. */
const HEADERS_TIMEOUT_MS = 5_000;
/** If a whole request takes longer to arrive, its connection is closed. */
const REQUEST_TIMEOUT_MS = 10_000;
/** If a connection is idle for longer within a request, it is closed. Longer than a long poll. */
const IDLE_TIMEOUT_MS = 60_000;
const HEADER_BYTES_MAX = 16_384;
/** Open connections of a process. */
const CONNECTIONS_MAX = 20_000;
/** Open files that clients' connections leave free: for MySQL, Redis and payment providers. */
const OTHER_FILES = 256;

type EdgeConfig = Pick<Config, 'KEEP_ALIVE_TIMEOUT_MS' | 'TRUSTED_PROXIES' | 'PUBLIC_URL'>;

/** The limits on what a client may send, and on the time it may take, before a route is called. */
export function edgeOptions(config: EdgeConfig, bounds: AppBounds) {
  const {
    headersTimeoutMs = HEADERS_TIMEOUT_MS,
    requestTimeoutMs = REQUEST_TIMEOUT_MS,
    idleTimeoutMs = IDLE_TIMEOUT_MS,
  } = bounds;
  return {
    bodyLimit: BODY_BYTES_MAX,
    routerOptions: { maxParamLength: PATH_PART_LENGTH_MAX },
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: config.KEEP_ALIVE_TIMEOUT_MS,
    connectionTimeout: idleTimeoutMs,
    http: {
      headersTimeout: headersTimeoutMs,
      // By default Node.js checks twice a minute, so a slow request would live as long whatever its
      // limit is.
      connectionsCheckingInterval: Math.min(LATE_CHECK_MS, headersTimeoutMs),
      maxHeaderSize: HEADER_BYTES_MAX,
      // By default Node.js keeps the first of two fields with the same name, such as Host or
      // Authorization; a proxy may use the second. Joined, they are invalid.
      joinDuplicateHeaders: true,
    },
    rewriteUrl: withoutBasePath(config),
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    frameworkErrors: refuseUnrouted,
    clientErrorHandler: refuseUnread,
    ...(config.TRUSTED_PROXIES === undefined ? {} : { trustProxy: trusts(config.TRUSTED_PROXIES) }),
  } as const satisfies FastifyHttpOptions<Server>;
}

/**
 * How many connections of clients this process can have: if they used up its open files
 * (`ulimit -n`), it could not connect to its servers any more. Only Linux tells the limit.
 */
export function connectionsMaxHere(): number {
  let limits: string;
  try {
    limits = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return CONNECTIONS_MAX;
  }
  const filesMax = Number(/^Max open files +(\d+)/m.exec(limits)?.[1] ?? Infinity);
  return Math.min(CONNECTIONS_MAX, Math.max(filesMax - OTHER_FILES, Math.floor(filesMax / 2)));
}

/** Closes connections above the limit as they come, and says so, now and then. */
export function capConnections(app: FastifyInstance, connectionsMax = CONNECTIONS_MAX, log: Logger): void {
  const server = app.server;
  server.maxConnections = connectionsMax;
  let saidMs = -Infinity;
  server.on('drop', () => {
    if (performance.now() - saidMs < SAID_AGAIN_MS) return;
    saidMs = performance.now();
    log.warn({ connections_max: connectionsMax }, 'too many connections: closing new ones');
  });
}
