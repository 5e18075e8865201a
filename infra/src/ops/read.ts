import { parseArgs } from 'node:util';
import {
  flag,
  optionsText,
  parseCommandLine,
  text,
  UsageError,
  type Options,
  type Program,
  type Values,
} from '@flash-sale/shared/platform/process/command-line.ts';
import type { Command } from './command.ts';
import { COMMANDS } from './commands.ts';

/** Options of every command. */
const COMMON = {
  json: flag('print the answer of the API as one JSON document'),
  url: text(
    '<url>',
    'the address of the API (default: the service that npm start runs here, else SERVER_HOST and SERVER_PORT)',
  ),
  as: text('<name>', 'your name in the record of changes (default: your user name on this machine)'),
};
const YES = { yes: flag('do not ask for confirmation') };

const TOKEN_NOTE = `The operator token comes from ADMIN_TOKEN (or the file ADMIN_TOKEN_FILE), else from VIEWER_TOKEN, else from the service that npm start
runs here.`;

/** The result of reading the command line: a command with its arguments, or a text to print. */
export type Understood =
  | { readonly help: string }
  | {
      readonly command: Command;
      readonly args: readonly string[];
      readonly values: Values<Options>;
      readonly common: Values<typeof COMMON> & { readonly yes: boolean };
    };

const usageOf = ({ name, args }: Command): string => [name, ...args.map((arg) => `<${arg.name}>`)].join(' ');

/**
 * Parses a command line of `npm run ops`.
 *
 * @throws UsageError if the command does not exist, or its arguments or options do not fit
 */
export function understand(argv: readonly string[]): Understood {
  const name = commandNameIn(argv);
  if (name === undefined) {
    parseCommandLine({ usage: '', summary: '', options: COMMON }, argv);
    return { help: overview() };
  }
  const command = COMMANDS.find((one) => one.name === name);
  if (command === undefined)
    throw new UsageError(`Unknown command '${name}'; npm run ops -- --help lists the commands`);
  const program = programOf(command);
  try {
    const typed = parseCommandLine(program, argv);
    if (typed.help) return { help: helpOf(command, program) };
    const { json, url, as, yes, ...values } = typed.values as Values<Options & typeof COMMON> & {
      readonly yes?: boolean;
    };
    command.check?.(values);
    const args = typed.args.slice(1).map((arg, i) => command.args[i]!.read(arg));
    return { command, args, values, common: { json, url, as, yes: yes === true } };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${error.message}; usage: ${program.usage}`);
  }
}

/** The first word that is neither an option nor its value. Options may be anywhere. */
function commandNameIn(argv: readonly string[]): string | undefined {
  const all: Options = Object.assign({}, COMMON, YES, ...COMMANDS.map(({ options }) => options));
  const known = Object.entries(all).map(([name, { read }]) => [
    name,
    { type: read === undefined ? ('boolean' as const) : ('string' as const) },
  ]);
  const options = Object.fromEntries(known);
  return parseArgs({ args: [...argv], options, allowPositionals: true, strict: false }).positionals[0];
}

function programOf(command: Command): Program<Options> {
  const { args, options, question } = command;
  return {
    usage: `npm run ops -- ${usageOf(command)} [options]`,
    summary: command.summary,
    // The first argument is the name of the command.
    args: ['command', ...args.map((arg) => arg.name)],
    options: { ...options, ...(question && YES), ...COMMON },
  };
}

const helpOf = ({ question }: Command, { usage, summary, options }: Program<Options>): string =>
  `${usage}

${summary}${question === undefined ? '' : '. This cannot be undone, so the command asks for confirmation'}

${optionsText(options!)}

${TOKEN_NOTE}`;

function overview(): string {
  const width = Math.max(...COMMANDS.map((command) => usageOf(command).length));
  const lines = COMMANDS.map((command) => `  ${usageOf(command).padEnd(width)}  ${command.summary}`);
  return `npm run ops -- <command> [options]

${lines.join('\n')}

Options of every command (npm run ops -- <command> --help shows the others):

${optionsText(COMMON)}

A command that cannot be undone asks for confirmation; without a terminal it needs --yes.
Exit codes: 0 done, 1 refused or no answer, 2 wrong usage.
${TOKEN_NOTE}`;
}
