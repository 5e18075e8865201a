import { spawn, type ChildProcess } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import { freePort } from '../../../infra/src/services/ports.ts';
import { COMPILE_CACHE } from '../../../infra/src/test-context.ts';
import { API_ENV, type TestContext } from './support.ts';

const ROOT = join(import.meta.dirname, '../../..');
const READY_MS_MAX = 50_000;

/** One line of a process's log. */
export interface LogLine {
  readonly msg: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly port?: number;
  readonly ops_port?: number;
  readonly orders?: readonly (readonly string[])[];
}

/** An api or worker process, started as an operator starts it. */
export interface ServiceProcess {
  readonly log: readonly LogLine[];
  /** Its message when it is ready. */
  readonly ready: LogLine;
  readonly wasKilled: boolean;
  readonly hasEnded: boolean;
  /** SIGKILL; resolves once it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves to its exit code. Does nothing if the process has ended. */
  stop(): Promise<number | null>;
}

/** A process that may not be ready yet, or that never becomes ready. */
export interface LaunchedProcess {
  readonly child: ChildProcess;
  readonly log: readonly LogLine[];
  /** Resolves to its exit code and signal. */
  readonly exited: Promise<[number | null, NodeJS.Signals | null]>;
  /** What it has written to stderr. */
  readonly complaints: () => string;
  /** Resolves to its first line with this message. Rejects if it ends before, or takes too long. */
  readonly says: (message: string) => Promise<LogLine>;
}

/** Starts a process with this environment only, through another program if one is given. */
export function launchProcess(
  name: 'api' | 'worker',
  env: Readonly<Record<string, string>>,
  via: readonly string[] = [],
): LaunchedProcess {
  const command = [...via, process.execPath, join(ROOT, 'packages', name, 'src/main.ts')];
  const child: ChildProcess = spawn(command[0]!, command.slice(1), {
    // The connections of the tests do not log; a process does.
    env: {
      ...COMPILE_CACHE,
      ...API_ENV,
      ...env,
      LOG_LEVEL: env['LOG_LEVEL'] === 'trace' ? 'trace' : 'info',
      API_OPS_PORT: '0',
      WORKER_OPS_PORT: '0',
    },
    // The channel closes when this process ends in any way, and then the started process ends too.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const exited = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const log: LogLine[] = [];
  const said = new EventEmitter();
  let complaints = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (complaints += text));
  createInterface({ input: child.stdout! }).on('line', (text) => {
    const line = JSON.parse(text) as LogLine;
    log.push(line);
    said.emit('line', line);
  });
  return {
    child,
    log,
    exited,
    complaints: () => complaints,
    async says(message) {
      const isIt = ({ msg }: LogLine): boolean => msg === message;
      const { promise, resolve, reject } = Promise.withResolvers<LogLine>();
      const found = log.find(isIt);
      if (found !== undefined) return found;
      const see = (line: LogLine): void => (isIt(line) ? resolve(line) : undefined);
      const timer = setTimeout(
        () => reject(new Error(`${name} did not say "${message}": ${complaints}`)),
        READY_MS_MAX,
      );
      void exited.then(([code]) => reject(new Error(`${name} ended with ${code}: ${complaints}`)));
      said.on('line', see);
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
        said.off('line', see);
      }
    },
  };
}

/** Starts a process with this environment only, and waits until it is ready. */
export async function startProcess(
  name: 'api' | 'worker',
  env: Readonly<Record<string, string>>,
): Promise<ServiceProcess> {
  const { child, log, exited, says } = launchProcess(name, env);
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  let ready: LogLine;
  try {
    ready = await says(`${name} ready`);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return {
    log,
    ready,
    get wasKilled() {
      return child.signalCode === 'SIGKILL';
    },
    get hasEnded() {
      return hasEnded();
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
    async stop() {
      if (!hasEnded()) child.kill('SIGTERM');
      const [code] = await exited;
      return code;
    },
  };
}

/** A whole service: api processes that share a port, and workers. */
export interface Service {
  readonly url: URL;
  readonly apis: ServiceProcess[];
  readonly workers: ServiceProcess[];
  /** One more api process on the same port. */
  addApi(): Promise<void>;
  addWorker(): Promise<void>;
  /** Starts a process for each one that has ended, which is forgotten: as many run as at first. */
  replaceEnded(): Promise<void>;
  /** Ends all running processes by SIGTERM. Each must exit with code 0. */
  stop(): Promise<void>;
}

export async function startService(
  context: TestContext,
  options: { readonly apis: number; readonly workers: number; readonly env?: Readonly<Record<string, string>> },
): Promise<Service> {
  const env = { ...context.env, ...options.env };
  const { port, release } = await reservePort(context.config.SERVER_HOST);
  const apis: ServiceProcess[] = [];
  const workers: ServiceProcess[] = [];
  const addApi = async () => void apis.push(await startProcess('api', { ...env, SERVER_PORT: String(port) }));
  const url = new URL(`http://127.0.0.1:${port}`);
  // The sandbox of a worker sends its webhooks to the api.
  const addWorker = async () => void workers.push(await startProcess('worker', { PUBLIC_URL: url.origin, ...env }));
  const startMissing = () =>
    Promise.all([
      ...Array.from({ length: options.apis - apis.length }, addApi),
      ...Array.from({ length: options.workers - workers.length }, addWorker),
    ]);
  await startMissing().finally(release);
  return {
    url,
    apis,
    workers,
    addApi,
    addWorker,
    async replaceEnded() {
      for (const processes of [apis, workers])
        processes.splice(0, Infinity, ...processes.filter(({ hasEnded }) => !hasEnded));
      await startMissing();
    },
    async stop() {
      const running = [...apis, ...workers].filter((each) => !each.wasKilled);
      expect(await Promise.all(running.map((each) => each.stop()))).toEqual(running.map(() => 0));
    },
  };
}

/**
 * Reserves a free port until it is released, so that all processes can start at once.
 * Only sockets that share their port may listen on it meanwhile, as api processes do.
 */
async function reservePort(host: string): Promise<{ readonly port: number; readonly release: () => void }> {
  const port = await freePort();
  const server = createServer().listen({ host, port, reusePort: true });
  await once(server, 'listening');
  return { port, release: () => void server.close() };
}

/** The value of a metric without labels, as the process reports it. */
export async function metricOf({ ready }: ServiceProcess, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${ready.ops_port}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'm').exec(text)?.[1]);
}

/**
 * The micro-batches of a process so far, by size: upper bound of the size → count, from its
 * metrics.
 */
export async function batchSizes({ ready }: ServiceProcess): Promise<Map<number, number>> {
  const text = await (await fetch(`http://127.0.0.1:${ready.ops_port}/metrics`)).text();
  const sizes = new Map<number, number>();
  let below = 0;
  for (const [, bound, count] of text.matchAll(/^seckill_admission_batch_size_bucket\{.*le="([^"]+)".*\} (\d+)$/gm)) {
    sizes.set(bound === '+Inf' ? Infinity : Number(bound), Number(count) - below);
    below = Number(count);
  }
  return sizes;
}
