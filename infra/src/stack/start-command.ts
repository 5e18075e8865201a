import { once } from 'node:events';
import { print, runCommand } from './command.ts';
import { startStack, type StackOptions } from './stack.ts';

type StartOptions = Pick<StackOptions, 'dataDir' | 'mains'>;

/** Runs the service until SIGINT, SIGTERM or the loss of its terminal, then ends the process. */
export async function startCommand(options: StartOptions): Promise<never> {
  const stopping = new AbortController();
  // Handle every signal: npm and the terminal may both send one.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => stopping.abort());
  }
  // An error in this program must not leave servers running without a supervisor.
  let mistake: Error | undefined;
  process.on('uncaughtException', (error) => {
    mistake ??= error;
    stopping.abort();
  });
  return runCommand(async () => {
    try {
      await runUntilStopped(options, stopping.signal);
    } catch (error) {
      // A stop before everything is ready is no failure.
      if (!stopping.signal.aborted) throw error;
    }
    if (mistake !== undefined) throw mistake;
    print('stopped');
  });
}

async function runUntilStopped(options: StartOptions, signal: AbortSignal): Promise<void> {
  await using stack = await startStack({ ...options, env: process.env, print, signal });
  if (stack.adminToken !== undefined) print(`ADMIN_TOKEN=${stack.adminToken}`);
  print(`ready ${stack.url}\n`);
  if (stack.hasStorefront) print(`Storefront    ${stack.url}`);
  print(`Console       ${stack.url}/console`);
  print(`API reference ${stack.url}/docs`);
  print('Try a crowd   npm run crowd -- --shoppers 3000\n');
  print(stack.walkThrough);
  if (!signal.aborted) await once(signal, 'abort');
  print('stopping');
}
