import { userInfo } from 'node:os';
import { parseArgs } from 'node:util';
import { withFiles } from '@flash-sale/shared/config/files.ts';
import { print } from '../stack/command.ts';
import { reachableHost } from '../stack/settings.ts';
import { callAs, CallFailed, type Access } from './api.ts';
import { COMMANDS, type Command } from './commands.ts';

/** Operators' commands: calls of the operators' API, shown as tables. Exit code 1: refused or not reached; 2: not understood. */

const OPTIONS = {
  url: { type: 'string' },
  as: { type: 'string' },
  json: { type: 'boolean', default: false },
  yes: { type: 'boolean', default: false },
  limit: { type: 'string' },
  cursor: { type: 'string' },
  stock: { type: 'string' },
  user: { type: 'string' },
  address: { type: 'string' },
  reason: { type: 'string' },
  until: { type: 'string' },
  state: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** What was typed makes no sense. */
class Misunderstood extends Error {}

const usageOf = ({ name, args }: Command<never>): string => [name, ...args.map((arg) => `<${arg}>`)].join(' ');

function helpText(): string {
  const width = Math.max(...COMMANDS.map((command) => usageOf(command).length));
  return `npm run ops -- <command> [options]

${COMMANDS.map((command) => `  ${usageOf(command).padEnd(width)}  ${command.summary}`).join('\n')}

  --json           the answer as the API gave it
  --yes            for what cannot be taken back
  --limit <n>      rows of a list, 20 by default, 100 at most
  --cursor <text>  the next page of a list
  --url <url>      the API. Default: the service that npm start has running here, else SERVER_HOST and SERVER_PORT
  --as <name>      who you are, for the record of what was changed. Default: your name on this machine

The operator token is ADMIN_TOKEN of the environment (or the file ADMIN_TOKEN_FILE), else VIEWER_TOKEN, else that of the service that
runs here.`;
}

function understand(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new Misunderstood((error as Error).message);
  }
}

function commandOf(name: string, args: readonly string[]): Command<never> {
  const command = COMMANDS.find((one) => one.name === name);
  if (command === undefined) throw new Misunderstood(`There is no command ${name}`);
  if (args.length !== command.args.length) throw new Misunderstood(`usage: ${usageOf(command)}`);
  return command;
}

function accessOf(environment: NodeJS.ProcessEnv, values: { readonly url?: string; readonly as?: string }): Access {
  const { env, problems } = withFiles(environment, ['ADMIN_TOKEN', 'VIEWER_TOKEN']);
  if (problems.length > 0) throw new Misunderstood(problems.join('; '));
  const token = env['ADMIN_TOKEN'] || env['VIEWER_TOKEN'];
  if (token === undefined || token === '')
    throw new Misunderstood('Set ADMIN_TOKEN or VIEWER_TOKEN: nothing runs here');
  const url = values.url ?? `http://${reachableHost(env['SERVER_HOST'] || '0.0.0.0')}:${env['SERVER_PORT'] || '8080'}`;
  if (!URL.canParse(url)) throw new Misunderstood(`${url} is not a URL`);
  return { url, name: values.as ?? userInfo().username, token };
}

async function run(argv: readonly string[]): Promise<void> {
  const { values, positionals } = understand(argv);
  const [name, ...args] = positionals;
  if (values.help || name === undefined) {
    print(helpText());
    return;
  }
  const command = commandOf(name, args);
  if (command.isFinal === true && !values.yes) {
    throw new Misunderstood(`This cannot be taken back. If you mean it: ${[name, ...args].join(' ')} --yes`);
  }
  const { limit, cursor, stock, user, address, reason, until, state } = values;
  const typed = { args, limit, cursor, stock, user, address, reason, until, state };
  const answer = await command.call(callAs(accessOf(process.env, values)), typed);
  print(values.json ? JSON.stringify(answer, null, 2) : command.show(answer));
}

try {
  await run(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Misunderstood || error instanceof CallFailed)) throw error;
  process.stderr.write(`${error.message}\n`);
  if (error instanceof Misunderstood) process.stderr.write('npm run ops -- --help lists the commands\n');
  process.exitCode = error instanceof Misunderstood ? 2 : 1;
}
