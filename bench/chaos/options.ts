import {
  flag,
  helpText,
  integer,
  option,
  parseCommandLine,
  UsageError,
} from '@flash-sale/shared/platform/process/command-line.ts';
import { BROKEN_BUILDS, brokenBuildOf } from './broken/table.ts';
import { FAULTS, faultOf } from './faults/table.ts';

export interface Options {
  readonly seed: number;
  readonly rounds: number;
  /** Run only this round of the plan. */
  readonly only: number | undefined;
  /** The names of the faults to choose from. Default: all. */
  readonly faults: readonly string[] | undefined;
  readonly shoppers: number;
  readonly broken: string | undefined;
}

const SHOPPERS_DEFAULT = 1_400;

export const PROGRAM = {
  usage: 'npm run chaos -- [options]',
  summary: `Starts the service on private servers, sells under load, injects faults and heals them. Then checks from outside that the service kept
all eleven promises. Exit code 1: a promise was broken.`,
  options: {
    seed: integer(
      '<n>',
      'seed of the faults, the timings and the behavior of the shoppers (default: a new one)',
      0,
      2 ** 31 - 1,
    ),
    rounds: integer('<n>', 'rounds of up to 20 s (default 5)', 1, 10_000),
    only: integer('<n>', "run only round n of the seed's plan", 1, 10_000),
    faults: option('<a,b>', 'use only these faults', faultsOf),
    shoppers: integer(
      '<n>',
      `shoppers in each round; the sale has three units for every four shoppers (default ${SHOPPERS_DEFAULT})`,
      200,
      20_000,
    ),
    broken: option(
      '<name>',
      'run a copy of the service that breaks a promise on purpose; exit code 0 if the checker finds the broken promise',
      (name) => named(() => brokenBuildOf(name).name),
    ),
    list: flag('list the faults and the broken builds'),
  },
};

/** The text for `--list`. */
function listing(): string {
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
 * @throws UsageError if an option is unknown or out of bounds
 */
export function readOptions(args: readonly string[]): Options | string {
  const { values, help } = parseCommandLine(PROGRAM, args);
  if (help) return helpText(PROGRAM);
  if (values.list) return listing();
  return {
    seed: values.seed ?? Date.now() % 2 ** 31,
    rounds: values.rounds ?? 5,
    only: values.only,
    faults: values.faults,
    shoppers: values.shoppers ?? SHOPPERS_DEFAULT,
    broken: values.broken,
  };
}

function faultsOf(typed: string): readonly string[] {
  return typed.split(',').map((name) => named(() => faultOf(name.trim()).name));
}

/** Converts the error for an unknown name to a usage error. */
function named(find: () => string): string {
  try {
    return find();
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
