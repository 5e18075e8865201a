import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { COMPILE_CACHE } from '../../../infra/src/test-context.ts';

const MAIN = new URL('../src/main.ts', import.meta.url).pathname;

/** A real worker process, ready. */
export interface WorkerProcess {
  readonly ops_port: number;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when the process has ended. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

/** Starts a worker process, which ends with the test at the latest. */
export async function startWorker(env: Readonly<Record<string, string>>): Promise<WorkerProcess> {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...COMPILE_CACHE, ...env, LOG_LEVEL: 'info', WORKER_OPS_PORT: '0' },
    // The channel closes when the process that runs the test ends in any way.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const lines: string[] = [];
  const opsPort = await new Promise<number>((resolve, reject) => {
    createInterface(child.stderr!).on('line', (line) => void lines.push(line));
    createInterface(child.stdout!).on('line', (line) => {
      lines.push(line);
      const { msg, ops_port: port } = JSON.parse(line) as { msg: string; ops_port?: number };
      if (msg === 'worker ready') resolve(port!);
    });
    void exited.then(({ code }) => reject(new Error(`the worker ended with ${code}:\n${lines.join('\n')}`)));
  });
  return { ops_port: opsPort, exited, kill: (signal) => void child.kill(signal) };
}
