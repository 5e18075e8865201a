import {
  flag,
  helpText,
  option,
  parseCommandLine,
  text,
  UsageError,
} from '@flash-sale/shared/platform/process/command-line.ts';
import { durationMs } from './option-values.ts';
import type { Size } from './scenarios/scenario.ts';

export interface Options {
  readonly mode: 'full' | 'quick' | 'url' | 'growth' | 'soak';
  readonly size: Size;
  readonly repetitionsMax: number;
  /** The run ends within this time on any machine. */
  readonly limitMs: number;
  /** The URL of the service to measure, in the mode `url`. */
  readonly url: string | undefined;
  /** In the mode `growth`: measure only what has this in its name. */
  readonly growthOf: string | undefined;
  readonly soakMs: number;
  /** The folder for all output, instead of the project's own pages. */
  readonly out: string | undefined;
  /** A result file whose report is written again, without a run. */
  readonly report: string | undefined;
}

export const PROGRAM = {
  usage: 'npm run bench -- [options]',
  summary: `Measures the service on private servers, beside an empty Fastify route and the usual way to build such a service. Audits after every
scenario, prints the figures, and writes bench/results/, docs/performance.md with its charts, and the figures in both READMEs and docs/scaling.md.
npm run bench:compare compares two result files; npm run profile shows where the time goes.`,
  options: {
    quick: flag('take about a minute: smaller amounts and fewer repetitions'),
    growth: flag(
      'measure how costs grow with owners, sales and orders, and the memory per owner, order, token and connection',
    ),
    'growth-of': text(
      '<name>',
      'of `--growth`, only what has this in its name, such as "all bought" or memory; writes no file',
    ),
    soak: option(
      '<time>',
      'run a steady load for this time, such as 90s, 10m or 1h: memory and latency must not grow',
      durationMs,
    ),
    url: option(
      '<url>',
      'measure a running service over HTTP; needs ADMIN_TOKEN, and JWT_SECRET in jwt mode',
      originOf,
    ),
    out: text('<folder>', 'write results, page and charts to this folder, and change no page of the project'),
    report: text('<file>', 'write the pages again from a result file'),
  },
};

const FULL: Size = { buys: 40_000, reads: 80_000, usualBuys: 4_000, journeyShoppers: 10_000, openLoopS: 4 };
const QUICK: Size = { buys: 8_000, reads: 16_000, usualBuys: 1_500, journeyShoppers: 1_500, openLoopS: 1 };

/**
 * Reads the command line.
 *
 * @returns the options, or a text to print instead of a run
 * @throws UsageError if an option is unknown or does not fit
 */
export function readOptions(args: readonly string[]): Options | string {
  const { values, help } = parseCommandLine(PROGRAM, args);
  if (help) return helpText(PROGRAM);
  const growthOf = values['growth-of'];
  const asked = { ...values, growth: values.growth || growthOf !== undefined };
  const modes = (['growth', 'soak', 'url', 'quick'] as const).filter((name) => (asked[name] ?? false) !== false);
  if (modes.length > 1) throw new UsageError(`--${modes[0]} and --${modes[1]} are different runs`);
  const mode = modes[0] ?? 'full';
  const isQuick = mode === 'quick';
  return {
    mode,
    size: isQuick || mode === 'url' ? QUICK : FULL,
    repetitionsMax: isQuick ? 2 : 5,
    limitMs: isQuick ? 85_000 : 590_000,
    url: values.url,
    growthOf,
    soakMs: values.soak ?? 0,
    out: values.out,
    report: values.report,
  };
}

function originOf(typed: string, name: string): string {
  if (/^https?:\/\//.test(typed) && URL.canParse(typed)) return new URL(typed).origin;
  throw new UsageError(`${name} takes an address with its scheme, such as http://localhost:8080, not '${typed}'`);
}
