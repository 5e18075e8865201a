import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs the Docker command line. Rejects with its stderr. */
export async function docker(
  args: string[],
  options: { env?: NodeJS.ProcessEnv; signal?: AbortSignal | undefined } = {},
): Promise<void> {
  await run('docker', args, { env: { ...process.env, ...options.env }, signal: options.signal });
}

/** Whether a container engine answers, not only the command line. */
export async function dockerAnswers(env: NodeJS.ProcessEnv): Promise<boolean> {
  try {
    await run('docker', ['info'], { timeout: 10_000, env });
    return true;
  } catch {
    return false;
  }
}

/** Removes a container, running or not. Returns false if there is none. */
export async function removeContainer(name: string): Promise<boolean> {
  try {
    await docker(['rm', '--force', name]);
    return true;
  } catch {
    return false;
  }
}
