import { loadConfig, type Config } from '@flash-sale/shared/platform/config/config.ts';
import { freePort, portProblem } from '../services/ports.ts';
import { StartFailure } from '../services/start-failure.ts';

type OpsPortName = 'API_OPS_PORT' | 'WORKER_OPS_PORT';

/** The settings that `npm start` itself reads. The processes get the whole environment. */
export interface StackSettings {
  config: Config;
  serverPort: number;
  apiOpsPorts: number[];
  workerOpsPorts: number[];
}

/**
 * Checks the settings and finds the ports before anything is started. A configured port must be
 * free. If a default ops port is not free, another one is used.
 */
export async function loadStackSettings(env: NodeJS.ProcessEnv): Promise<StackSettings> {
  const config = loadConfig(env);
  const apiProcesses = processCount(env, 'API_PROCESSES');
  const workerProcesses = processCount(env, 'WORKER_PROCESSES');
  return {
    config,
    serverPort: await serverPort(config),
    apiOpsPorts: await opsPorts(env, config, 'API_OPS_PORT', apiProcesses),
    workerOpsPorts: await opsPorts(env, config, 'WORKER_OPS_PORT', workerProcesses),
  };
}

function processCount(env: NodeJS.ProcessEnv, name: string): number {
  const text = env[name] || '1';
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= 64) return count;
  throw new StartFailure(`${name}=${text} is not a number of processes from 1 to 64`);
}

async function serverPort(config: Config): Promise<number> {
  const port = config.SERVER_PORT;
  if (port === 0) return freePort();
  const problem = await portProblem(port, listeningHosts(config.SERVER_HOST));
  if (problem !== undefined) throw new StartFailure(portMessage('SERVER_PORT', port, problem));
  return port;
}

async function opsPorts(env: NodeJS.ProcessEnv, config: Config, name: OpsPortName, count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let index = 0; index < count; index++) {
    ports.push(config[name] === 0 ? await freePort() : await opsPort(env, config, name, index));
  }
  return ports;
}

async function opsPort(env: NodeJS.ProcessEnv, config: Config, name: OpsPortName, index: number): Promise<number> {
  const port = config[name] + index;
  const problem = await portProblem(port, listeningHosts(config.OPS_HOST));
  if (problem === undefined) return port;
  if (env[name]) throw new StartFailure(portMessage(name, port, problem));
  return freePort();
}

/** All these addresses include loopback, on which some systems still let another program listen. */
function listeningHosts(host: string): string[] {
  return host === '0.0.0.0' || host === '::' ? ['127.0.0.1', '::1', host] : [host];
}

/**
 * The message about a port that cannot be used. `problem` is the error code of the attempt to
 * listen.
 */
export function portMessage(name: string, port: number, problem: string): string {
  const freeOne = `Set ${name} to a free port (0 takes any).`;
  if (problem === 'EADDRINUSE') {
    return `port ${port} is taken by another program. End that one, or set ${name} to a free port (0 takes any).`;
  }
  if (problem === 'EACCES') {
    return `no permission to listen on port ${port}: ports below 1024 are for root. ${freeOne}`;
  }
  return `cannot listen on port ${port} (${problem}). ${freeOne}`;
}
