import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { unpackNewest } from '../debian-servers/newest-package.ts';
import { awaitReady } from '../services/await-ready.ts';
import { dockerAnswers } from '../services/docker-client.ts';
import { launch } from '../services/launch.ts';
import { runTool, type RunOptions } from '../services/package-manager.ts';
import { isAtLeast, isExecutable } from '../services/programs.ts';
import { StartFailure } from '../services/start-failure.ts';
import { temporaryFolder } from '../services/temporary-folder.ts';
import { repeatHealthChecks } from './health-checks.ts';

const run = promisify(execFile);
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const COMPOSE_VERSION_MIN = '2.24.4';

export interface EngineOptions extends RunOptions {
  readonly folders: readonly string[];
}

/** Docker or Podman, with Docker's Compose. */
export interface Engine {
  readonly title: string;
  /** The output of a command of the engine. Rejects with its stderr. */
  run(args: readonly string[]): Promise<string>;
  /** The output of a command of Compose. Rejects with its stderr. */
  compose(args: readonly string[]): Promise<string>;
  /** Builds an image. @throws StartFailure with the end of the log */
  build(image: string, args: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** @throws StartFailure if this machine has no engine */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { env, folders } = options;
  if (await dockerAnswers(env)) return engineOf('docker', await findCompose(options), options);
  if (!folders.some((folder) => isExecutable(join(folder, 'podman')))) {
    throw new StartFailure('there is no container engine: Docker does not answer, and Podman is not installed');
  }
  return openPodman(options);
}

function engineOf(program: 'docker' | 'podman', compose: readonly string[], options: RunOptions): Engine {
  const { env } = options;
  // Without the signal of a stop: what was started must still be removed.
  const output = async (name: string, args: readonly string[]): Promise<string> => {
    const { stdout } = await run(name, args, { env, maxBuffer: OUTPUT_BYTES_MAX });
    return stdout;
  };
  const [composeProgram = '', ...composeArgs] = compose;
  const version = spawnSync(program, ['--version'], { env, encoding: 'utf8' }).stdout.trim();
  return {
    title: `${version}, Compose ${composeVersion(compose, env)}`,
    run: (args) => output(program, args),
    compose: (args) => output(composeProgram, [...composeArgs, ...args]),
    build: (image, args) => runTool(options, program, ['build', '--tag', image, ...args]),
    close: () => Promise.resolve(),
  };
}

/** Podman, with Docker's API for Compose on a socket of its own. */
async function openPodman(options: EngineOptions): Promise<Engine> {
  const { dataDir, env, signal } = options;
  const folder = temporaryFolder('podman');
  const socketPath = join(folder.path, 'api.sock');
  // Podman lets systemd repeat its health checks.
  const hasSystemd = existsSync('/run/systemd/system');
  const own = { ...env, ...(hasSystemd ? {} : { DISABLE_HC_SYSTEMD: 'true' }) };
  const service = await launch({
    name: 'podman-service',
    kind: 'server',
    dataDir,
    program: 'podman',
    args: ['system', 'service', '--time=0', `unix://${socketPath}`],
    env: own,
  });
  const answers = () =>
    new Promise<void>((resolve, reject) => {
      get({ socketPath, path: '/_ping' }, (response) => resolve(void response.resume())).on('error', reject);
    });
  await awaitReady(service, answers, { limitMs: 20_000, signal });
  const forCompose = { ...own, DOCKER_HOST: `unix://${socketPath}`, DOCKER_BUILDKIT: '0' };
  const compose = await findCompose({ ...options, env: forCompose });
  const engine = engineOf('podman', compose, { ...options, env: forCompose });
  const checks = hasSystemd ? undefined : repeatHealthChecks((args) => engine.run(args));
  return {
    ...engine,
    async close() {
      await checks?.stop();
      await service.stop();
      await folder.close();
    },
  };
}

/** The command of Compose: that of the machine, else that of Debian's newest package. */
async function findCompose(options: EngineOptions): Promise<readonly string[]> {
  const { dataDir, env } = options;
  const folder = join(dataDir, 'docker-compose-package');
  const unpacked = [join(folder, 'usr/libexec/docker/cli-plugins/docker-compose')];
  const isNew = (command: readonly string[]): boolean => isAtLeast(composeVersion(command, env), COMPOSE_VERSION_MIN);
  const found = [['docker', 'compose'], ['docker-compose'], unpacked].find(isNew);
  if (found !== undefined) return found;
  await unpackNewest('docker-compose', folder, options);
  if (isNew(unpacked)) return unpacked;
  throw new StartFailure(`there is no Docker Compose ${COMPOSE_VERSION_MIN} or newer: install it`);
}

/** Empty if there is no such program. */
function composeVersion([program = '', ...args]: readonly string[], env: NodeJS.ProcessEnv): string {
  const { stdout, status } = spawnSync(program, [...args, 'version', '--short'], { env, encoding: 'utf8' });
  return status === 0 ? stdout.trim().replace(/^v/, '') : '';
}
