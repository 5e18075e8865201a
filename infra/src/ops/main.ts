import { userInfo } from 'node:os';
import { withFiles } from '@flash-sale/shared/platform/config/files.ts';
import { isOperatorName, OPERATOR_NAME_RULE } from '@flash-sale/shared/operator/operator.ts';
import { exitWithUsage, UsageError } from '@flash-sale/shared/platform/process/command-line.ts';
import { print } from '../stack/command.ts';
import { confirm, Declined } from '../stack/confirm.ts';
import { reachableHost } from '../stack/settings.ts';
import { callAs, CallFailed, type Access } from './api.ts';
import { understand } from './read.ts';

/**
 * Operators' commands: calls of the operators' API, shown as tables. Exit code 1: refused or not
 * reachable; 2: invalid command line.
 */

function accessOf(environment: NodeJS.ProcessEnv, values: { readonly url?: string; readonly as?: string }): Access {
  const { env, problems } = withFiles(environment, ['ADMIN_TOKEN', 'VIEWER_TOKEN']);
  if (problems.length > 0) throw new UsageError(problems.join('; '));
  const token = env['ADMIN_TOKEN'] || env['VIEWER_TOKEN'];
  if (token === undefined || token === '')
    throw new UsageError('Set ADMIN_TOKEN or VIEWER_TOKEN: no service runs here');
  const url = values.url ?? `http://${reachableHost(env['SERVER_HOST'] || '0.0.0.0')}:${env['SERVER_PORT'] || '8080'}`;
  // `localhost:8080` is also a valid URL, with the scheme `localhost`.
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
    throw new UsageError(`--url takes an address with a scheme, such as http://localhost:8080, not '${url}'`);
  }
  const name = values.as ?? userInfo().username;
  if (!isOperatorName(name)) throw new UsageError(`--as: ${OPERATOR_NAME_RULE}`);
  return { url, name, token };
}

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
