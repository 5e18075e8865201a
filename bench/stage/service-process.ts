import { join } from 'node:path';
import type { LaunchedProcess } from '@flash-sale/infra/services/launch.ts';
import { awaitServiceReady, launchService } from '@flash-sale/infra/services/launch-service.ts';

const READY_MS_MAX = 30_000;
const PROBE_MS_MAX = 1_000;

export interface ServiceProcessOptions {
  /** Such as `api-1`. */
  readonly name: string;
  /** The program, as a path below `tree`. */
  readonly program: string;
  /** The source tree whose processes run: the project, or a broken copy of it. */
  readonly tree: string;
  /** More arguments for Node itself, such as `--cpu-prof`. */
  readonly nodeArgs?: readonly string[];
  readonly dataDir: string;
  readonly env: NodeJS.ProcessEnv;
  readonly readyUrl: string;
  /** Called if the process ends unexpectedly. */
  readonly onCrash: (how: string) => void;
}

/** A process that the run starts, kills, freezes and starts again: an api or a worker. */
export class ServiceProcess {
  readonly name: string;
  readonly #options: ServiceProcessOptions;
  #launched: LaunchedProcess | undefined;
  #isWanted = false;

  constructor(options: ServiceProcessOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** The id of the process that was started last. */
  get pid(): number | undefined {
    return this.#launched?.pid;
  }

  /** Starts it and waits until it can do its work. */
  async start(): Promise<void> {
    const { name, program, tree, nodeArgs = [], dataDir, env, onCrash } = this.#options;
    const launched = await launchService({ name, main: join(tree, program), nodeArgs, dataDir, cwd: tree, env });
    this.#launched = launched;
    this.#isWanted = true;
    void this.#watch(launched, onCrash);
    await this.untilReady();
  }

  /** Waits until it can do its work, after its start or a thaw. */
  async untilReady(): Promise<void> {
    const limits = { limitMs: READY_MS_MAX, probeMsMax: PROBE_MS_MAX };
    await awaitServiceReady(this.#launched!, this.#options.readyUrl, limits);
  }

  async #watch(launched: LaunchedProcess, onCrash: (how: string) => void): Promise<void> {
    const { code, signal } = await launched.exited;
    if (this.#isWanted && this.#launched === launched)
      onCrash(`${this.name} ended by itself (${signal ?? `exit code ${code}`})`);
  }

  /** Ends it at once, like a crash. */
  async kill(): Promise<void> {
    this.#isWanted = false;
    this.#launched?.kill('SIGKILL');
    await this.#launched?.exited;
  }

  /** Freezes it: it keeps its connections and does nothing. */
  freeze(): void {
    this.#launched?.kill('SIGSTOP');
  }

  /** Lets it continue. */
  thaw(): void {
    this.#launched?.kill('SIGCONT');
  }

  /** Sends SIGTERM, and SIGKILL if it takes longer than any orchestrator waits. */
  async stop(graceMs = 10_000): Promise<void> {
    this.#isWanted = false;
    await this.#launched?.stop(graceMs);
  }
}
