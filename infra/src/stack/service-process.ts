import { awaitReady } from '../services/await-ready.ts';
import { keepRunning, type KeptProcess } from '../services/keep-running.ts';
import { launch, type LaunchedProcess } from '../services/launch.ts';

const ready_ms_max = 60_000;
const probe_ms_max = 2_000;

export interface ServiceProcessOptions {
  /** The name of its log and its record, such as `api-1`. */
  name: string;
  /** The module to run. */
  main: string;
  dataDir: string;
  env: NodeJS.ProcessEnv;
  /** The URL that answers 200 when the process can do its work. */
  readyUrl: string;
  log: (line: string) => void;
  signal: AbortSignal;
}

/**
 * Runs an api or worker process. It is ready when this resolves, and is started again if it dies.
 */
export function startServiceProcess(options: ServiceProcessOptions): Promise<KeptProcess<LaunchedProcess>> {
  return keepRunning({
    async start(signal) {
      const launched = await launch({
        name: options.name,
        kind: 'service',
        dataDir: options.dataDir,
        program: process.execPath,
        args: [options.main],
        env: options.env,
        withIpc: true,
      });
      const limits = { limit_ms: ready_ms_max, signal };
      await awaitReady(launched, () => probe(options.readyUrl), limits);
      return launched;
    },
    log: options.log,
    signal: options.signal,
  });
}

async function probe(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(probe_ms_max) });
  const body = await response.text();
  if (response.status !== 200) throw new Error(`${url} answers ${response.status} ${body}`.trim());
}
