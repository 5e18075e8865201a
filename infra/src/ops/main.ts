import { exitWithUsage, UsageError } from '@flash-sale/shared/platform/process/command-line.ts';
import { print } from '../stack/command.ts';
import { confirm, Declined } from '../stack/confirm.ts';
import { accessOf } from './access.ts';
import { callAs, CallFailed } from './api.ts';
import { understand } from './read.ts';

/**
 * Operators' commands: calls of the operators' API, shown as tables. Exit code 1: refused or not
 * reachable; 2: invalid command line.
 */

async function run(argv: readonly string[]): Promise<void> {
  const understood = understand(argv);
  if ('help' in understood) {
    print(understood.help);
    return;
  }
  const { command, args, values, common } = understood;
  const call = callAs(accessOf(process.env, common));
  const typed = { args, values };
  if (command.question !== undefined && !common.yes) await confirm(await command.question(call, typed));
  const answer = await command.call(call, typed);
  print(common.json ? JSON.stringify(answer, null, 2) : command.show(answer));
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  if (error instanceof UsageError) exitWithUsage(error);
  if (!(error instanceof CallFailed || error instanceof Declined)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
