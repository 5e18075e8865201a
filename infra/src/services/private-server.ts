import type { LaunchedProcess } from './launch.ts';
import { freePort, portProblem } from './ports.ts';

/** A private server: a launched process that answers on a loopback port. */
export interface PrivateServer extends LaunchedProcess {
  readonly host: string;
  readonly port: number;
}

const triesMax = 3;

/**
 * Starts a server on the given port or, without one, on any free port. Another process may take the
 * free port before the server listens on it: only then another port is tried.
 */
export async function startOnPort(
  port: number | undefined,
  start: (port: number) => Promise<LaunchedProcess>,
): Promise<PrivateServer> {
  for (let tries = 1; ; tries++) {
    const chosen = port ?? (await freePort());
    try {
      return Object.assign(await start(chosen), { host: '127.0.0.1', port: chosen });
    } catch (error) {
      const lostPort = port === undefined && (await portProblem(chosen)) !== undefined;
      if (!lostPort || tries === triesMax) throw error;
    }
  }
}
