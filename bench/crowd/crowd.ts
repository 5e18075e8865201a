import { setTimeout as pause } from 'node:timers/promises';
import { ServerClock } from '@flash-sale/web/client';
import type { Sale } from '@flash-sale/web/operator-types';
import { CallFailed, type Call } from '@flash-sale/infra/ops/api.ts';
import { gapIn, problemsIn, readSale, saleAtRest } from './sums.ts';
import type { CrowdOptions } from './options.ts';
import { progressHeading, progressLine, summary } from './report.ts';
import { identify } from './shoppers.ts';
import { Solvers } from './solvers.ts';
import { Tally } from './tally.ts';
import { visit } from './visit.ts';

const LOOK_MS_MIN = 1_000;
/** A run of any length prints about this many lines. */
const LINES = 30;
const SALE_MS = 3_600_000;
/** Time to open the sale before the first shopper comes. */
const OPENING_MS = 1_000;

export interface CrowdDeps {
  /** The address of the service. */
  readonly url: string;
  /** Calls the operators' API. */
  readonly call: Call;
  /** The `fetch` of the shoppers. */
  readonly send: typeof fetch;
  readonly jwtSecret: string | undefined;
  readonly print: (line: string) => void;
  /** How long shoppers in a waiting room hope for units that come back, at least. */
  readonly hopeMs: number;
  /** Sends all shoppers home. */
  readonly stop: AbortSignal;
}

/**
 * Lets a crowd shop in one sale, and prints what it got.
 *
 * @returns the sentences about what is wrong with the sums of the sale
 * @throws CallFailed if there is no sale to shop in
 */
export async function runCrowd(options: CrowdOptions, deps: CrowdDeps): Promise<readonly string[]> {
  const { shoppers, overMs, habits } = options;
  const { url, call, send, jwtSecret, print, hopeMs, stop } = deps;
  const clock = new ServerClock();
  const clientOf = await identify({ url, fetch: send, clock }, jwtSecret);
  const sale = options.sale === undefined ? await openSale(call, options, clock) : await readSale(call, options.sale);
  if (sale.status === 'ended') throw new CallFailed(`Sale ${sale.id} has ended`);
  print(`${shoppers} shoppers, sale ${sale.id} (${sale.name}, ${sale.seckill_stock} units)`);
  print(`watch it at ${new URL('console', directory(url)).href}#/sales/${sale.id}`);

  // Half of them are there before the start.
  const waitMs = Date.parse(sale.start_time) - overMs / 2 - clock.now();
  if (waitMs > LOOK_MS_MIN) print(`the first come at ${new Date(Date.now() + waitMs).toISOString()}`);
  await pause(Math.max(0, waitMs), undefined, { signal: stop }).catch(() => undefined);

  const tally = new Tally();
  const solvers = new Solvers();
  const beganMs = performance.now();
  const passedMs = (): number => performance.now() - beganMs;
  const run = Date.now().toString(36);
  const come = async (_: unknown, index: number): Promise<void> => {
    await pause(Math.random() * overMs, undefined, { signal: stop }).catch(() => undefined);
    if (stop.aborted) return;
    tally.arrived += 1;
    const userId = `crowd-${run}-${index}`;
    tally.visits.push(await visit(userId, sale.id, { clientOf, solvers, habits, tally, hopeMs, stop }));
  };
  const look = watchCrowd(call, sale.id, { everyMs: Math.max(LOOK_MS_MIN, overMs / LINES), tally, passedMs, print });
  try {
    await Promise.all(Array.from({ length: shoppers }, come));
  } finally {
    await solvers.close();
  }
  const seen = await look.end();
  const tookMs = passedMs();
  const rest = await saleAtRest(call, sale.id);
  const isOnlyOurs = options.sale === undefined;
  print(`\n${summary(tally, rest, tookMs)}\n`);
  const isServed = tally.visits.some(({ ending }) => ending !== 'gave_up');
  return [
    ...(isServed || stop.aborted ? [] : ['No shopper was served.']),
    ...seen,
    ...problemsIn(tally.visits, rest, { isOnlyOurs, nowMs: clock.now() }),
  ];
}

/** The address with a slash at its end, so that paths below it keep its own path. */
const directory = (url: string): string => url.replace(/\/*$/, '/');

/** A sale that starts when half of the crowd is there. */
async function openSale(
  call: Call,
  { shoppers, units, overMs, room }: CrowdOptions,
  clock: ServerClock,
): Promise<Sale> {
  const startMs = clock.now() + overMs / 2 + OPENING_MS;
  const { id } = await call<Sale>('POST', 'products', {
    name: `Crowd of ${shoppers}`,
    price: 199.99,
    stock: units,
    seckill_stock: units,
    start_time: new Date(startMs).toISOString(),
    end_time: new Date(startMs + SALE_MS).toISOString(),
    ...(room ? { waiting_room: { opens_at: new Date(clock.now() - OPENING_MS).toISOString() } } : {}),
  });
  return readSale(call, id);
}

interface Look {
  readonly everyMs: number;
  readonly tally: Tally;
  readonly passedMs: () => number;
  readonly print: (line: string) => void;
}

/** Prints how the crowd is doing, until `end`, which returns the gaps that were seen. */
function watchCrowd(call: Call, saleId: number, { everyMs, tally, passedMs, print }: Look) {
  const ending = new AbortController();
  const gaps: string[] = [];
  const line = async (): Promise<void> => {
    // The service may be too busy for an operator.
    const sale = await readSale(call, saleId).catch(() => undefined);
    const gap = sale && gapIn(sale);
    if (gap !== undefined) gaps.push(`After ${Math.round(passedMs() / 1_000)} s: ${gap}.`);
    print(progressLine(tally, passedMs(), sale));
  };
  const looking = (async () => {
    print(progressHeading());
    while (!ending.signal.aborted) {
      await line();
      await pause(everyMs, undefined, { signal: ending.signal }).catch(() => undefined);
    }
    await line();
  })();
  return {
    async end(): Promise<readonly string[]> {
      ending.abort();
      await looking;
      return gaps;
    },
  };
}
