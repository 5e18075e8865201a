import { parseArgs } from 'node:util';
import { exitProcess } from './exit.ts';

/**
 * The command line is not valid: one line, to print without a stack. The command ends with exit
 * code 2.
 */
export class UsageError extends Error {}

export const USAGE_EXIT_CODE = 2;

/** One option of a command. */
export interface Option<Value> {
  /** The name of the value in the help, such as `<n>`; a switch has none. */
  readonly value?: string;
  readonly summary: string;
  /** Parses the value. @throws UsageError */
  readonly read?: (text: string, name: string) => NonNullable<Value>;
  /** `--name=` means the empty text. */
  readonly mayBeEmpty?: boolean;
}

export type Options = Readonly<Record<string, Option<unknown>>>;

/** The parsed options: a switch is true or false, any other option is its value or undefined. */
export type Values<Of extends Options> = {
  readonly [Name in keyof Of]: Of[Name] extends Option<infer Value> ? Value : never;
};

/** A command as its help describes it. Anything else is refused. */
export interface Program<Of extends Options> {
  /** The command line, such as `npm run audit -- [options]`. */
  readonly usage: string;
  /** What it does, in whole lines. */
  readonly summary: string;
  /** The names of the arguments. All are required. */
  readonly args?: readonly string[];
  /** The name of more arguments, of which there may be any number. */
  readonly rest?: string;
  readonly options?: Of;
}

export interface Typed<Of extends Options> {
  readonly values: Values<Of>;
  readonly args: readonly string[];
  /** The user asked for help: do nothing else. */
  readonly help: boolean;
}

export const flag = (summary: string): Option<boolean> => ({ summary });

/** An option with any text except an empty one. */
export const text = (value: string, summary: string): Option<string | undefined> => ({
  value,
  summary,
  read: (typed) => typed,
});

/** An option with any text. */
export const textOrEmpty = (value: string, summary: string): Option<string | undefined> => ({
  ...text(value, summary),
  mayBeEmpty: true,
});

/** An option with a whole number in digits. */
export const integer = (value: string, summary: string, min: number, max: number): Option<number | undefined> => ({
  value,
  summary,
  read: (typed, name) => readInteger(name, typed, min, max),
});

/** An option with a format of its own. */
export const option = <Value>(
  value: string,
  summary: string,
  read: (text: string, name: string) => NonNullable<Value>,
): Option<Value | undefined> => ({ value, summary, read });

/** @throws UsageError unless the text consists of digits and the number is within its bounds */
export function readInteger(name: string, typed: string, min: number, max: number): number {
  if (/^\d{1,15}$/.test(typed) && Number(typed) >= min && Number(typed) <= max) return Number(typed);
  throw new UsageError(`${name} must be a whole number from ${min} to ${max}, not '${typed}'`);
}

const HELP = { help: flag('show this help') };

/**
 * Parses a command line. A request for help has priority if all options exist.
 *
 * @throws UsageError if an option is unknown, given twice, lacks its value or does not fit, or if
 * the number of arguments is wrong
 */
export function parseCommandLine<const Of extends Options>(program: Program<Of>, argv: readonly string[]): Typed<Of> {
  const options: Options = { ...program.options, ...HELP };
  const given = tokensOf(options, argv);
  const names = given.options.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new UsageError(`--${twice} is given more than once`);
  const values = Object.fromEntries(
    Object.entries(options).map(([name, { read }]) => {
      const token = given.options.find((one) => one.name === name);
      if (read === undefined) return [name, token !== undefined];
      return [name, token === undefined ? undefined : read(token.value!, `--${name}`)];
    }),
  );
  const { help, ...own } = values;
  if (help !== true) checkArguments(program, given.args);
  return { values: own as Values<Of>, args: given.args, help: help === true };
}

interface Given {
  readonly options: readonly { readonly name: string; readonly value: string | undefined }[];
  readonly args: readonly string[];
}

function tokensOf(options: Options, argv: readonly string[]): Given {
  const known = Object.entries(options).map(([name, { read }]) => [
    name,
    { type: read === undefined ? ('boolean' as const) : ('string' as const), ...(name === 'help' && { short: 'h' }) },
  ]);
  // Not strict, because we write our own error messages.
  const { tokens, positionals } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(known),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const given = tokens.filter((token) => token.kind === 'option');
  for (const { name, rawName, value, inlineValue } of given) {
    const found = Object.hasOwn(options, name) ? options[name] : undefined;
    if (found === undefined) throw new UsageError(`Unknown option ${rawName}; ${namesOf(options)}`);
    if (found.read === undefined && value !== undefined) throw new UsageError(`${rawName} takes no value`);
    // `--limit --json`: the next option is not a value.
    const isMissing = value === undefined || (value === '' && found.mayBeEmpty !== true);
    if (found.read !== undefined && isMissing) throw missingValue(rawName, found);
    if (found.read !== undefined && inlineValue !== true && value!.startsWith('-')) throw missingValue(rawName, found);
  }
  return { options: given, args: positionals };
}

const missingValue = (name: string, { value = '' }: Option<unknown>): UsageError =>
  new UsageError(`${name} needs a value: ${name} ${value}`);

const namesOf = (options: Options): string =>
  `the options are ${Object.keys(options)
    .map((name) => `--${name}`)
    .join(', ')}`;

function checkArguments({ args: names = [], rest }: Program<Options>, args: readonly string[]): void {
  const missing = names[args.length];
  if (missing !== undefined) throw new UsageError(`<${missing}> is missing`);
  const surplus = args[names.length];
  if (surplus !== undefined && rest === undefined) throw new UsageError(`Unexpected argument '${surplus}'`);
}

/** The help of a command: its command line, what it does, and its options. */
export function helpText({ usage, summary, options = {} }: Program<Options>): string {
  return `${usage}\n\n${summary}\n\n${optionsText({ ...options, ...HELP })}\n`;
}

/** Options, one line each. */
export function optionsText(options: Options): string {
  const rows = Object.entries(options).map(
    ([name, { value, summary }]) => [value === undefined ? `--${name}` : `--${name} ${value}`, summary] as const,
  );
  const width = Math.max(...rows.map(([typed]) => typed.length));
  return rows.map(([typed, summary]) => `  ${typed.padEnd(width)}  ${summary}`).join('\n');
}

/** Prints what is wrong with the command line, and ends the process with exit code 2. */
export async function exitWithUsage({ message }: UsageError, usage?: string): Promise<never> {
  process.stderr.write(`${message}${usage === undefined ? '' : `; usage: ${usage}`}\n`);
  return exitProcess(USAGE_EXIT_CODE);
}

/**
 * Parses the command line of this process. Ends the process if the user asked for help, or if the
 * command line is not valid.
 */
export async function readCommandLine<const Of extends Options>(program: Program<Of>): Promise<Typed<Of>> {
  try {
    const typed = parseCommandLine(program, process.argv.slice(2));
    if (!typed.help) return typed;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return exitWithUsage(error, program.usage);
  }
  process.stdout.write(helpText(program));
  return exitProcess(0);
}
