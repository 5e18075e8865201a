import { USAGE_EXIT_CODE, UsageError } from '@flash-sale/shared/platform/process/command-line.ts';
import { confirm, Declined } from '../stack/confirm.ts';
import { accessOf } from './access.ts';
import { callAs, CallFailed } from './api.ts';
import { understand } from './read.ts';

/** Where a command writes its lines. */
export interface Output {
  readonly print: (line: string) => void;
  readonly complain: (line: string) => void;
}

/**
 * Runs one of the operators' commands: a call of the operators' API, shown as a table.
 *
 * @returns the exit code. 0: done; 1: refused or not reachable; 2: invalid command line
 */
export async function runOps(
  argv: readonly string[],
  env: NodeJS.ProcessEnv,
  { print, complain }: Output,
): Promise<number> {
  try {
    print(await answerOf(argv, env));
    return 0;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof CallFailed || error instanceof Declined)) throw error;
    complain(error.message);
    return error instanceof UsageError ? USAGE_EXIT_CODE : 1;
  }
}

async function answerOf(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const understood = understand(argv);
  if ('help' in understood) return understood.help;
  const { command, args, values, common } = understood;
  const call = callAs(accessOf(env, common));
  const typed = { args, values };
  if (command.question !== undefined && !common.yes) await confirm(await command.question(call, typed));
  const answer = await command.call(call, typed);
  return common.json ? JSON.stringify(answer, null, 2) : command.show(answer);
}
