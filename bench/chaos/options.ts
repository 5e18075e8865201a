import { parseArgs } from 'node:util';
import { BROKEN_BUILDS } from './broken/table.ts';
import { FAULTS, faultOf } from './faults/table.ts';

export interface Options {
  readonly seed: number;
  readonly rounds: number;
  /** Only this round of the plan; every other one is left out. */
  readonly only: number | undefined;
  /** Names of the faults to draw from, all of them unless given. */
  readonly faults: readonly string[] | undefined;
  readonly shoppers: number;
  readonly broken: string | undefined;
}

export const SHOPPERS_DEFAULT = 1_400;

export const USAGE = `npm run chaos -- [options]

Starts the service on private servers, sells under load, injects faults, heals them, and checks from outside that the eleven
promises were kept. Exit code 1 where one was broken.

  --seed N        decides faults, timings and how shoppers behave (default: a new one)
  --rounds N      rounds of up to 20 s (default 5)
  --only N        only round N of the seed's plan
  --faults a,b    only these faults
  --shoppers N    size of a round's crowd; three units for four shoppers (default ${SHOPPERS_DEFAULT})
  --broken NAME   runs a copy of the service that breaks a promise on purpose; exit code 0 where the checker names the promise
  --list          lists the faults and the broken builds
  --help          this text
`;

/** What `--list` prints. */
export function listing(): string {
  const table = (rows: readonly (readonly [string, string])[]): string => {
    const width = Math.max(...rows.map(([name]) => name.length));
    return rows.map(([name, what]) => `  ${name.padEnd(width)}  ${what}`).join('\n');
  };
  const builds = BROKEN_BUILDS.map(
    ({ name, what, promises }) => [name, `${what} (breaks promise ${promises.join(' or ')})`] as const,
  );
  return `Faults:\n${table(FAULTS.map(({ name, what }) => [name, what]))}\n\nBroken builds:\n${table(builds)}\n`;
}

/**
 * Reads the command line.
 *
 * @returns the options, or a text to print instead of a run
 * @throws where an option is unknown or out of bounds
 */
export function readOptions(args: readonly string[]): Options | string {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string' },
      rounds: { type: 'string' },
      only: { type: 'string' },
      faults: { type: 'string' },
      shoppers: { type: 'string' },
      broken: { type: 'string' },
      list: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return USAGE;
  if (values.list === true) return listing();
  const faults = values.faults?.split(',').map((name) => faultOf(name.trim()).name);
  return {
    seed: integer('seed', values.seed, 0, 2 ** 31 - 1) ?? Date.now() % 2 ** 31,
    rounds: integer('rounds', values.rounds, 1, 10_000) ?? 5,
    only: integer('only', values.only, 1, 10_000),
    faults,
    shoppers: integer('shoppers', values.shoppers, 200, 20_000) ?? SHOPPERS_DEFAULT,
    broken: values.broken,
  };
}

function integer(name: string, text: string | undefined, min: number, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new Error(`--${name} must be an integer from ${min} to ${max}`);
}
