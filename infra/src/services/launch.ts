import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { processIdentity } from './process-identity.ts';
import { removeRunRecord, signalGroup, writeRunRecord } from './run-records.ts';
import { reasonOf, StartFailure } from './start-failure.ts';

const logSizeBytesMax = 8 * 1024 * 1024;

export interface LaunchOptions {
  /** Unique under `dataDir`: the name of the run record and the log file. */
  name: string;
  kind: 'service' | 'server';
  dataDir: string;
  program: string;
  args: string[];
  /** The name under which the program runs, for programs with several functions in one file. */
  argv0?: string;
  cwd?: string;
  env?: NodeJS.ProcessEnv;
  /** An open file to read as standard input. */
  stdin?: number;
  /** Opens a channel to this process, which closes when this process ends for any reason. */
  withIpc?: boolean;
}

export interface ProcessEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface LaunchedProcess {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string;
  /** Resolves when the process has ended for any reason. Never rejects. */
  readonly exited: Promise<ProcessEnd>;
  readonly hasExited: boolean;
  /** Sends a signal; does nothing if the process has ended. Await `exited` to see the effect. */
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Sends SIGTERM, and SIGKILL after `graceMs`. Safe to call twice. */
  readonly stop: (graceMs?: number) => Promise<void>;
}

/**
 * Starts a program in its own process group, so that a Ctrl-C in the terminal reaches it only
 * through its launcher, in the right order. Its output goes directly to `<data>/logs/<name>.log`,
 * not through a pipe: the program may outlive its launcher, and must not stop if the launcher does.
 */
export async function launch(options: LaunchOptions): Promise<LaunchedProcess> {
  const { name, dataDir } = options;
  const logFile = openLog(dataDir, name);
  const child = spawn(options.program, options.args, {
    argv0: options.argv0,
    cwd: options.cwd,
    env: options.env ?? process.env,
    detached: true,
    stdio: [
      options.stdin ?? 'ignore',
      logFile.descriptor,
      logFile.descriptor,
      ...(options.withIpc ? (['ipc'] as const) : []),
    ],
  });
  closeSync(logFile.descriptor);

  const { pid } = child;
  if (pid === undefined) {
    const reason = await new Promise((resolve) => child.once('error', resolve));
    throw new StartFailure(`cannot run ${options.program}: ${reasonOf(reason)}`);
  }
  // Before any await: if this process is killed now, the record already names the child.
  const identity = processIdentity(pid);
  if (identity !== undefined) writeRunRecord(dataDir, name, { kind: options.kind, pid, identity });

  let hasExited = false;
  const exited = new Promise<ProcessEnd>((resolve) => {
    child.once('exit', (code, signal) => {
      hasExited = true;
      removeRunRecord(dataDir, name);
      resolve({ code, signal });
    });
  });
  // A message or signal that cannot be delivered shows in `exited`, never in an unhandled event.
  child.on('error', () => {});

  const kill = (signal: NodeJS.Signals) => {
    if (!hasExited) signalGroup(pid, signal);
  };
  return {
    name,
    pid,
    logFile: logFile.path,
    exited,
    get hasExited() {
      return hasExited;
    },
    kill,
    async stop(graceMs = 3_000) {
      kill('SIGTERM');
      // A frozen process cannot handle SIGTERM before it continues.
      kill('SIGCONT');
      const escalation = setTimeout(() => kill('SIGKILL'), graceMs);
      await exited;
      clearTimeout(escalation);
    },
  };
}

/**
 * Launches a program that ends by itself, and waits for its end. An abort ends it early and
 * rejects.
 */
export async function runToEnd(
  options: LaunchOptions,
  signal: AbortSignal | undefined,
): Promise<{ end: ProcessEnd; logFile: string }> {
  signal?.throwIfAborted();
  const launched = await launch(options);
  const onAbort = () => void launched.stop();
  signal?.addEventListener('abort', onAbort);
  const end = await launched.exited;
  signal?.removeEventListener('abort', onAbort);
  signal?.throwIfAborted();
  return { end, logFile: launched.logFile };
}

/** Appends to the log. If it is too large, it is renamed, and one earlier file is kept. */
function openLog(dataDir: string, name: string): { path: string; descriptor: number } {
  const folder = join(dataDir, 'logs');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.log`);
  const sizeBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (sizeBytes > logSizeBytesMax) renameSync(path, `${path}.1`);
  return { path, descriptor: openSync(path, 'a', 0o600) };
}

/** The end of a log, to show with a failure. */
export function lastLines(logFile: string, count = 15): string {
  const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n');
  return lines
    .slice(-count)
    .map((line) => `    ${line}`)
    .join('\n');
}
