import { parseArgs } from 'node:util';
import type { Size } from './scenarios/scenario.ts';

export interface Options {
  readonly mode: 'full' | 'quick' | 'url' | 'growth' | 'soak';
  readonly size: Size;
  readonly repetitions_max: number;
  /** The run is over by then, whatever the machine does. */
  readonly limit_ms: number;
  /** The service to measure, in the mode `url`. */
  readonly url: string | undefined;
  readonly soak_ms: number;
  /** Where everything is written instead of the project's own pages. */
  readonly out: string | undefined;
  /** A result file whose report is to be written again, without a run. */
  readonly report: string | undefined;
}

export const USAGE = `npm run bench -- [options]

Measures the service on private servers, side by side with a bare Fastify route and with the usual way to build it, audits after every
scenario, prints the figures and writes bench/results/, docs/performance.md with its charts, and the figures in README.md and docs/scaling.md.

  --quick        about a minute; smaller amounts and fewer repetitions
  --growth       how costs grow with owners, sales and orders, and memory per owner, reservation, job and connection
  --soak 10m     steady load for that long (s, m or h): memory and latency must not drift
  --url URL      measures a service that is running, by HTTP alone; takes ADMIN_TOKEN, and JWT_SECRET where it is in jwt mode
  --out FOLDER   writes results, page and charts there, and touches no page of the project
  --report FILE  writes the pages again from a result file
  --help         this text

npm run bench:compare -- a.json b.json [--tolerance PERCENT]   compares two result files by their ratios
npm run profile                                                where the time goes: flame graphs of api and worker
`;

const FULL: Size = { buys: 40_000, reads: 80_000, usual_buys: 4_000, mixed_shoppers: 10_000, open_loop_s: 4 };
const QUICK: Size = { buys: 8_000, reads: 16_000, usual_buys: 1_500, mixed_shoppers: 1_500, open_loop_s: 1 };
const UNITS_MS = { s: 1_000, m: 60_000, h: 3_600_000 } as const;

/**
 * Reads the command line.
 *
 * @returns the options, or a text to print instead of a run
 * @throws where an option is unknown or does not fit
 */
export function readOptions(args: readonly string[]): Options | string {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean' },
      growth: { type: 'boolean' },
      soak: { type: 'string' },
      url: { type: 'string' },
      out: { type: 'string' },
      report: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return USAGE;
  const modes = (['growth', 'soak', 'url', 'quick'] as const).filter((name) => values[name] !== undefined);
  if (modes.length > 1) throw new Error(`--${modes[0]} and --${modes[1]} are different runs`);
  const mode = modes[0] ?? 'full';
  const isQuick = mode === 'quick';
  return {
    mode,
    size: isQuick || mode === 'url' ? QUICK : FULL,
    repetitions_max: isQuick ? 2 : 5,
    limit_ms: isQuick ? 85_000 : 590_000,
    url: values.url === undefined ? undefined : new URL(values.url).origin,
    soak_ms: values.soak === undefined ? 0 : duration_ms(values.soak),
    out: values.out,
    report: values.report,
  };
}

function duration_ms(text: string): number {
  const found = /^(\d{1,5})([smh])$/.exec(text);
  if (found === null) throw new Error(`--soak takes a time such as 90s or 10m, not ${text}`);
  return Number(found[1]) * UNITS_MS[found[2] as keyof typeof UNITS_MS];
}
