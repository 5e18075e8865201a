import { keepRunning, type KeptProcess } from '../services/keep-running.ts';
import type { LaunchedProcess } from '../services/launch.ts';
import { awaitServiceReady, launchService } from '../services/launch-service.ts';

const readyMsMax = 60_000;

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
      const { name, main, dataDir, env } = options;
      const launched = await launchService({ name, main, dataDir, env, withIpc: true });
      await awaitServiceReady(launched, options.readyUrl, { limitMs: readyMsMax, signal });
      return launched;
    },
    log: options.log,
    signal: options.signal,
  });
}
