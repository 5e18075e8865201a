import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../services/ports.ts';
import type { Engine } from './engine.ts';
import { standInImage } from './stand-ins.ts';

const PROJECT = 'flash-sale-try';

export interface Scale {
  readonly api: number;
  readonly worker: number;
}

export interface ComposeProjectOptions {
  readonly dataDir: string;
  readonly deployFolder: string;
  /** Whether the images of the servers are stand-ins. There is none for Grafana. */
  readonly hasStandIns: boolean;
}

/**
 * The stack of `infra/deploy/compose.yaml` under another name, with other ports and secrets of its
 * own, so that it does not touch one that runs on the same machine.
 */
export class ComposeProject {
  readonly url: string;
  readonly prometheusUrl: string;
  /** The settings of its `.env`. */
  readonly settings: ReadonlyMap<string, string>;
  readonly #engine: Engine;
  readonly #files: readonly string[];
  readonly #services: readonly string[];

  private constructor(
    engine: Engine,
    parts: Pick<ComposeProject, 'url' | 'prometheusUrl' | 'settings'>,
    files: readonly string[],
    services: readonly string[],
  ) {
    this.#engine = engine;
    ({ url: this.url, prometheusUrl: this.prometheusUrl, settings: this.settings } = parts);
    this.#files = files;
    this.#services = services;
  }

  static async create(
    engine: Engine,
    { dataDir, deployFolder, hasStandIns }: ComposeProjectOptions,
  ): Promise<ComposeProject> {
    const folder = join(dataDir, 'containers');
    mkdirSync(folder, { recursive: true });
    const [port, prometheusPort] = [await freePort(), await freePort()];
    const url = `http://127.0.0.1:${port}`;
    const settings = settingsIn(readFileSync(join(deployFolder, '.env.example'), 'utf8'), url);
    const envFile = join(folder, 'env');
    writeFileSync(envFile, [...settings].map(([name, value]) => `${name}=${value}\n`).join(''), { mode: 0o600 });
    const changes = join(folder, 'changes.yaml');
    writeFileSync(changes, changesOf(port, prometheusPort, hasStandIns));
    return new ComposeProject(
      engine,
      { url, prometheusUrl: `http://127.0.0.1:${prometheusPort}`, settings },
      ['--env-file', envFile, '--file', join(deployFolder, 'compose.yaml'), '--file', changes],
      ['proxy', 'worker', 'prometheus', ...(hasStandIns ? [] : ['grafana'])],
    );
  }

  run(...args: readonly string[]): Promise<string> {
    return this.#engine.compose(['--project-name', PROJECT, ...this.#files, ...args]);
  }

  /** Starts what does not run, with this many replicas, and waits until everything is healthy. */
  async up({ api, worker }: Scale): Promise<void> {
    const scale = ['--scale', `api=${api}`, '--scale', `worker=${worker}`];
    await this.run(
      'up',
      '--no-build',
      '--no-recreate',
      '--detach',
      '--wait',
      '--wait-timeout',
      '240',
      ...scale,
      ...this.#services,
    );
  }

  async containersOf(service: string): Promise<string[]> {
    return (await this.run('ps', '--quiet', service)).split('\n').filter(Boolean);
  }

  async down(): Promise<void> {
    await this.run('down', '--volumes', '--remove-orphans', '--timeout', '60');
  }
}

/** A filled in `.env.example`. */
function settingsIn(example: string, url: string): ReadonlyMap<string, string> {
  const names = [...example.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => {
    const isSecret = /PASSWORD|TOKEN|SECRET/.test(name!) && !/^(?:STRIPE|EVENTS)_/.test(name!);
    return [name!, isSecret ? randomBytes(32).toString('hex') : value!] as const;
  });
  return new Map<string, string>([...names, ['PUBLIC_URL', url]]);
}

function changesOf(port: number, prometheusPort: number, hasStandIns: boolean): string {
  const image = (name: 'mysql' | 'redis' | 'caddy' | 'prometheus'): string =>
    hasStandIns ? `    image: ${standInImage(name)}\n` : '';
  return `services:
  proxy:
${image('caddy')}    ports: !override ['127.0.0.1:${port}:8080']
  prometheus:
${image('prometheus')}    ports: !override ['127.0.0.1:${prometheusPort}:9090']
${hasStandIns ? `  mysql:\n${image('mysql')}  redis:\n${image('redis')}` : ''}`;
}
