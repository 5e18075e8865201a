import { readFileSync } from 'node:fs';
import { growthChart } from './charts.ts';
import type { MachineJson } from './results.ts';
import { markdownTable } from './markdown-table.ts';

/** The cost of a buy at one size: CPU time by process, µs. */
export interface GrowthPoint {
  readonly number: number;
  readonly costs: Readonly<Record<string, number>>;
}

/** The results of `npm run bench -- --growth`. */
export interface GrowthJson {
  readonly format: 1;
  /** ISO-8601, UTC. */
  readonly date: string;
  readonly took_s: number;
  readonly commit: string;
  readonly machine: MachineJson;
  /** By the growing size. */
  readonly axes: Readonly<Record<string, readonly GrowthPoint[]>>;
  readonly memory: MemoryJson;
}

/** Bytes per item. Missing if only one of the axes was measured. */
export type MemoryJson = Readonly<Partial<Record<keyof typeof ITEMS, number>>>;

/** What an item is, and for how long it takes memory. */
const ITEMS = {
  owner: ['owner (a shopper with held units)', 'until 24 hours after the sale, or until its units go back on sale'],
  batch: ['order of a batch', 'a moment, until it is in MySQL; at most `BACKLOG_MAX` for each sale'],
  job: ['job, for each of its orders', 'the same'],
  bucket: ['bucket of a shopper', 'two windows of the time that a bucket takes to fill, a second by default'],
  settled: ['order of a settled batch, for pollers', '10 min after it is written'],
  order: ['an order, from admission to settled', 'the sum of the above'],
  token: ['seckill token that is not used', 'two times `TOKEN_TTL_SECONDS` at most'],
  connection: ['open connection, in an api process', 'while it is open'],
} as const;

/** A cost counts as flat if its last value is within this share of its first. */
const FLAT = 0.2;

export function readGrowth(path: string): GrowthJson {
  return JSON.parse(readFileSync(path, 'utf8')) as GrowthJson;
}

/**
 * One row for each growing size and each cost: its name, the sizes, the costs, the last cost
 * relative to the first, and a verdict.
 */
export function growthTable({ axes }: Pick<GrowthJson, 'axes'>): (readonly string[])[] {
  return Object.entries(axes).flatMap(([axis, points]) =>
    Object.keys(points[0]!.costs).map((cost) => {
      const values = points.map(({ costs }) => costs[cost]!);
      const times = values.at(-1)! / values[0]!;
      return [
        axis,
        points.map(({ number }) => number.toLocaleString('en')).join(' · '),
        `\`${cost}\``,
        values.map((value) => value.toFixed(1)).join(' · '),
        times.toFixed(2),
        Math.abs(times - 1) <= FLAT ? 'flat' : times > 1 ? 'grows' : 'falls',
      ];
    }),
  );
}

export const GROWTH_HEAD = ['What grows', 'Number', 'Cost', 'µs', 'Last of first', ''];

export const MEMORY_HEAD = ['One', 'Bytes', 'For how long'];

/** One row for each measured item. */
export function memoryTable({ memory }: Pick<GrowthJson, 'memory'>): (readonly string[])[] {
  return Object.entries(memory).map(([item, bytes]) => {
    const [name, life] = ITEMS[item as keyof typeof ITEMS];
    return [name, Math.round(bytes).toLocaleString('en'), life];
  });
}

/** The part of `docs/operations.md` that says how much memory Redis needs. */
export function memoryPart(growth: GrowthJson): string {
  const { owner = 0, token = 0, settled = 0 } = growth.memory;
  const megabytes = [owner / 10, token, settled / 10].map((bytes) => Math.round(bytes));
  return `Measured on ${growth.date.slice(0, 10)} by \`npm run bench -- --growth\`, all in Redis but the last:

${markdownTable(MEMORY_HEAD, memoryTable(growth))}

Example: a sale of 100,000 units with 1,000,000 shoppers who all get a token needs
${megabytes.join(' + ')} MB for owners, tokens and settled orders, and the backlog.`;
}

/** The growth part of `docs/performance.md`. */
export function growthPart(growth: GrowthJson): string {
  return `## Growth

\`npm run bench -- --growth\`, measured ${growth.date.slice(0, 10)} at commit \`${growth.commit}\`: CPU time of a buy by process, while the number of things in the
first column grows. A cost is flat if its last value is within 20 % of its first. A micro-batch has buys of any sale; if buys are spread over
many sales, fewer of them share the cost of reading and writing each sale.

![Redis time per buy](performance/growth-redis.svg)

![api time per buy](performance/growth-api.svg)

${markdownTable(GROWTH_HEAD, growthTable(growth))}

${markdownTable(MEMORY_HEAD, memoryTable(growth))}

`;
}

export function growthCharts({ axes }: GrowthJson): Record<string, string> {
  const curves = (cost: string) =>
    Object.entries(axes).map(([name, points]) => ({
      name,
      points: points.map(({ number, costs }) => [number, Math.round(costs[cost]! * 10) / 10] as const),
    }));
  return {
    'growth-redis.svg': growthChart('Redis CPU time per buy', 'µs', curves('redis_us_per_buy')),
    'growth-api.svg': growthChart('api CPU time per buy', 'µs', curves('api_us_per_buy')),
  };
}
