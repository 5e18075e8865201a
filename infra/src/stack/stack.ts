import { join } from 'node:path';
import { readSettingSources, type Config } from '@flash-sale/shared/platform/config/config.ts';
import type { KeptProcess } from '../services/keep-running.ts';
import type { LaunchedProcess } from '../services/launch.ts';
import { endRecorded } from '../services/run-records.ts';
import { ensureSecret } from '../services/secrets.ts';
import { startServers } from '../services/servers.ts';
import { ensureDemoSale } from './demo-sale.ts';
import { takeLock } from './lock.ts';
import { watchLogs } from './log-watch.ts';
import { reachableHost } from './reachable-host.ts';
import { writeRunning } from './running.ts';
import { startServiceProcess } from './service-process.ts';
import { loadStackSettings, type StackSettings } from './settings.ts';
import { walkThrough } from './walk-through.ts';

/**
 * Everything must have ended within 10 s after a SIGTERM: api processes, then workers, then
 * servers. A step that takes longer than this is ended by force; accepted orders are durable by
 * then.
 */
const turnMsMax = { service: 3_500, server: 2_500 };
/**
 * What a process gives its open requests or batches, so that it is done before its turn is over.
 */
const drainMs = 500;
const graceMs = 3_000;

type Kind = 'api' | 'worker';

export interface StackOptions {
  dataDir: string;
  env: NodeJS.ProcessEnv;
  /** The modules that the api and worker processes run. */
  mains: Record<Kind, string>;
  print: (line: string) => void;
  /** Aborts a start in progress. */
  signal: AbortSignal;
}

/**
 * A service that is ready. Disposing of it ends everything that was started for it, and only that.
 */
export interface Stack extends AsyncDisposable {
  readonly url: string;
  readonly hasStorefront: boolean;
  /** The operator token, if it was created here and may be shown. */
  readonly adminToken: string | undefined;
  readonly walkThrough: string;
}

/**
 * Starts the whole service on this machine. After a failure or an abort, everything started so far
 * is ended. The end is in the opposite order of the start.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const { dataDir, print, signal } = options;
  const env = readSettingSources(options.env);
  await using starting = new AsyncDisposableStack();

  starting.use(takeLock(dataDir));
  const left = await endRecorded(dataDir);
  if (left.length > 0) print(`ended what an earlier run left running: ${left.join(', ')}`);
  const settings = await loadStackSettings(env);

  const servers = await startServers({ dataDir, env, log: print, signal });
  starting.defer(() => servers.stop(turnMsMax.server));

  const ownAdminToken = env['ADMIN_TOKEN'] ? undefined : ensureSecret(dataDir, 'ADMIN_TOKEN');
  const adminToken = ownAdminToken ?? env['ADMIN_TOKEN'] ?? '';
  const api = `http://${reachableHost(settings.config.SERVER_HOST)}:${settings.serverPort}`;
  const processEnv: NodeJS.ProcessEnv = {
    SHUTDOWN_MS: `${drainMs}/${graceMs}`,
    ...env,
    ...servers.env,
    SERVER_PORT: String(settings.serverPort),
    ADMIN_TOKEN: adminToken,
    // The URL at which the sandbox of each process reaches the api.
    PUBLIC_URL: env['PUBLIC_URL'] || api,
  };
  starting.use(writeRunning(dataDir, { ...processEnv, ...opsPortVariables(settings, 0) }));

  await startServiceProcesses({ ...options, env: processEnv }, settings, starting);

  const productId = await ensureDemoSale({ url: api, adminToken, signal });
  const url = `http://${shownHost(settings.config)}:${settings.serverPort}`;
  const tour = walkThrough({
    url,
    productId,
    authMode: settings.config.AUTH_MODE,
    hasDevLogin: settings.config.NODE_ENV !== 'production' && settings.config.JWT_SECRET !== undefined,
    isSandbox: settings.config.PAYMENT_PROVIDER === 'sandbox',
    adminToken: ownAdminToken,
    now: new Date(),
  });

  const started = starting.move();
  return {
    url,
    hasStorefront: settings.config.STOREFRONT,
    adminToken: ownAdminToken,
    walkThrough: tour,
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

/** Starts all api and worker processes at once. If one fails, all fail. */
async function startServiceProcesses(
  options: StackOptions,
  settings: StackSettings,
  starting: AsyncDisposableStack,
): Promise<void> {
  const { dataDir, print } = options;
  const counts = { api: settings.apiOpsPorts.length, worker: settings.workerOpsPorts.length };
  // Workers first, so that api processes are the first to end.
  const services = (['worker', 'api'] as const).flatMap((kind) =>
    Array.from({ length: counts[kind] }, (_, index) => ({
      kind,
      index,
      name: `${kind}-${index + 1}`,
    })),
  );
  const names = services.map(({ name }) => name);
  const logs = watchLogs({ folder: join(dataDir, 'logs'), names, show: print });
  starting.defer(() => logs.stop());

  print(`starting ${names.join(', ')}`);
  const givingUp = new AbortController();
  const signal = AbortSignal.any([options.signal, givingUp.signal]);
  const outcomes = await Promise.allSettled(
    services.map(async ({ kind, index, name }) => {
      try {
        return {
          kind,
          process: await startService(options, settings, { kind, index, name, signal }),
        };
      } catch (error) {
        givingUp.abort(error);
        throw error;
      }
    }),
  );
  const running = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  for (const kind of ['worker', 'api']) {
    const processes = running.filter((service) => service.kind === kind);
    starting.defer(() => stopAll(processes.map(({ process }) => process)));
  }
  signal.throwIfAborted();
  logs.start();
}

function startService(
  options: StackOptions,
  settings: StackSettings,
  service: { kind: Kind; index: number; name: string; signal: AbortSignal },
): Promise<KeptProcess<LaunchedProcess>> {
  const { kind, index, name, signal } = service;
  const ports = opsPortVariables(settings, index);
  const opsPort = kind === 'api' ? ports.API_OPS_PORT : ports.WORKER_OPS_PORT;
  return startServiceProcess({
    name,
    main: options.mains[kind],
    dataDir: options.dataDir,
    env: { ...options.env, ...ports },
    readyUrl: `http://${reachableHost(settings.config.OPS_HOST)}:${opsPort}/readyz`,
    log: options.print,
    signal,
  });
}

/**
 * The ops ports of the api and the worker process with this number, or those of the first if there
 * is none.
 */
const opsPortVariables = (settings: StackSettings, index: number) => ({
  API_OPS_PORT: String(settings.apiOpsPorts[index] ?? settings.apiOpsPorts[0]),
  WORKER_OPS_PORT: String(settings.workerOpsPorts[index] ?? settings.workerOpsPorts[0]),
});

async function stopAll(processes: KeptProcess<LaunchedProcess>[]): Promise<void> {
  await Promise.all(processes.map((process) => process.stop(turnMsMax.service)));
}

/** The host that a user on this machine would type. */
function shownHost({ SERVER_HOST }: Config): string {
  const isLoopback = ['0.0.0.0', '::', '127.0.0.1', '::1'].includes(SERVER_HOST);
  return isLoopback ? 'localhost' : reachableHost(SERVER_HOST);
}
