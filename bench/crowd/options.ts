import {
  flag,
  helpText,
  integer,
  option,
  parseCommandLine,
  text,
  UsageError,
} from '@flash-sale/shared/platform/process/command-line.ts';
import { durationMs, share } from '../option-values.ts';

export interface CrowdOptions {
  readonly url: string | undefined;
  readonly shoppers: number;
  /** The sale to buy in; without it the crowd opens one. */
  readonly sale: number | undefined;
  /** The units of the sale that the crowd opens. */
  readonly units: number;
  /** The time in which the shoppers arrive. */
  readonly overMs: number;
  /** The sale that the crowd opens has a waiting room. */
  readonly room: boolean;
  readonly habits: Habits;
}

/** Shares of the shoppers who get an order; those who neither pay nor abandon it cancel it. */
export interface Habits {
  readonly pay: number;
  readonly abandon: number;
  /** The share of all shoppers who click twice. */
  readonly doubleClick: number;
}

const SHOPPERS = 1_000;
const SHOPPERS_MAX = 200_000;
/** A crowd is many times larger than what there is to buy. */
const SHOPPERS_PER_UNIT = 10;

export const PROGRAM = {
  usage: 'npm run crowd -- [options]',
  summary: `Sends simulated shoppers to a sale of the running service. They do what the storefront does: get a seckill token, wait
for the start, buy, pay or cancel. Half of them arrive before the start. Shows the crowd while it shops and what it got,
and checks the sums of the sale. Exit code 1 if they are wrong.`,
  options: {
    shoppers: integer('<n>', `the size of the crowd (default ${SHOPPERS})`, 1, SHOPPERS_MAX),
    url: text('<url>', 'the address of the service (default: the service that npm start runs here)'),
    sale: integer('<id>', 'the sale to buy in (default: the crowd opens one)', 1, Number.MAX_SAFE_INTEGER),
    units: integer(
      '<n>',
      `the units of the sale that the crowd opens (default: one for ${SHOPPERS_PER_UNIT} shoppers)`,
      1,
      10_000_000,
    ),
    room: flag('the sale that the crowd opens has a waiting room'),
    over: option('<time>', 'the time in which the shoppers arrive, such as 30s or 5m (default 10s)', durationMs),
    pay: option('<share>', 'how many of those with an order pay (default 0.8)', share),
    abandon: option('<share>', 'how many leave it unpaid; the others cancel (default 0.1)', share),
    'double-click': option('<share>', 'how many shoppers click twice (default 0.1)', share),
  },
};

/**
 * Reads the command line.
 *
 * @returns the options, or a text to print instead of a run
 * @throws UsageError if an option is unknown or does not fit
 */
export function readOptions(args: readonly string[]): CrowdOptions | string {
  const { values, help } = parseCommandLine(PROGRAM, args);
  if (help) return helpText(PROGRAM);
  const { url, shoppers = SHOPPERS, sale, units, over = 10_000, pay = 0.8, abandon } = values;
  if (sale !== undefined && units !== undefined) {
    throw new UsageError('--sale and --units exclude each other: the units of a sale are given');
  }
  if (sale !== undefined && values.room) {
    throw new UsageError('--sale and --room exclude each other: a crowd joins a room that the sale has');
  }
  const leave = abandon ?? Math.min(0.1, 1 - pay);
  if (pay + leave > 1) throw new UsageError(`--pay ${pay} and --abandon ${leave} are more than 1 together`);
  return {
    url,
    shoppers,
    sale,
    units: units ?? Math.ceil(shoppers / SHOPPERS_PER_UNIT),
    overMs: over,
    room: values.room ?? false,
    habits: { pay, abandon: leave, doubleClick: values['double-click'] ?? 0.1 },
  };
}
