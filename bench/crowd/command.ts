import { Agent, fetch as fetchWith } from 'undici';
import { USAGE_EXIT_CODE, UsageError } from '@flash-sale/shared/platform/process/command-line.ts';
import { accessOf } from '@flash-sale/infra/ops/access.ts';
import { callAs, CallFailed } from '@flash-sale/infra/ops/api.ts';
import type { Output } from '@flash-sale/infra/ops/run.ts';
import { Refused } from '@flash-sale/web/client';
import { runCrowd } from './crowd.ts';
import { PROGRAM, readOptions } from './options.ts';
import { HOPE_MS } from './visit.ts';

/**
 * Shoppers share connections, as behind a proxy: one for each would be more files than a process
 * may open.
 */
const CONNECTIONS = 1_000;

/**
 * Runs the command of a crowd, which `stop` sends home.
 *
 * @returns the exit code. 0: the sums of the sale are correct; 1: they are wrong, or a call was
 * refused or did not reach the service; 2: invalid command line; 130: stopped
 */
export async function crowdCommand(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  { print, complain }: Output,
  stop: AbortSignal,
  hopeMs = HOPE_MS,
): Promise<number> {
  const agent = new Agent({ connections: CONNECTIONS });
  const send = ((input: string | URL, init?: object) =>
    fetchWith(input, { ...init, dispatcher: agent })) as unknown as typeof fetch;
  try {
    const options = readOptions(argv);
    if (typeof options === 'string') {
      print(options.trimEnd());
      return 0;
    }
    const access = accessOf(env, options);
    const jwtSecret = env['JWT_SECRET'] || undefined;
    const problems = await runCrowd(options, {
      url: access.url,
      call: callAs(access),
      send,
      jwtSecret,
      hopeMs,
      stop,
      print,
    });
    print(problems.length === 0 ? 'the sums of the sale are correct' : `WRONG:\n${problems.join('\n')}`);
    return problems.length > 0 ? 1 : stop.aborted ? 130 : 0;
  } catch (error) {
    if (error instanceof UsageError) {
      complain(`${error.message}; usage: ${PROGRAM.usage}`);
      return USAGE_EXIT_CODE;
    }
    if (!(error instanceof CallFailed || error instanceof Refused)) throw error;
    complain(error.message);
    return 1;
  } finally {
    await agent.destroy();
  }
}
