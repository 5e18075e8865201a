import { figure, type ResultsJson } from './results.ts';

const SECOND_US = 1_000_000;

/** The cost of each process, and what follows from it. */
export interface Capacity {
  readonly cores: Readonly<Record<string, { readonly usEach: number; readonly what: string }>>;
  /** The maximum of Redis's one thread for one sale. */
  readonly hotSalePerSecond: number;
  /** The predicted rate with two api processes on the machine of the run, from the costs. */
  readonly predictedTwoPerSecond: number;
  readonly measuredTwoPerSecond: number;
}

export const cpusPerTenThousand = (usEach: number): number => (usEach * 10_000) / SECOND_US;

/**
 * The model: CPU time adds up, and one sale has one Redis thread. Undefined if the system of the
 * run does not count CPU time.
 */
export function capacityOf(results: ResultsJson): Capacity | undefined {
  const of = (name: string): number => figure(results, name)?.median ?? Number.NaN;
  const api = of('accept.api_us_per_buy');
  const redis = of('accept.redis_us_per_buy');
  const client = of('accept.client_us_per_buy');
  const whole = of('end_to_end.redis_us_per_order');
  const cores = {
    'api, seckill token': { usEach: of('tokens.api_us_per_token'), what: '`tokens`, a seckill token' },
    api: { usEach: api, what: '`accept`, a buy' },
    'api, sold out': { usEach: of('sold_out.api_us_per_refusal'), what: '`sold_out`, a refusal' },
    'Redis, admission and its job': { usEach: redis, what: '`accept`, a buy' },
    'Redis, whole path': { usEach: whole, what: '`end_to_end`, an order' },
    worker: { usEach: of('end_to_end.worker_us_per_order'), what: '`end_to_end`, an order' },
    MySQL: { usEach: of('end_to_end.mysql_us_per_order'), what: '`end_to_end`, an order' },
  };
  if (Object.values(cores).some(({ usEach }) => Number.isNaN(usEach))) return undefined;
  const shared = (results.machine.cores * SECOND_US) / (api + redis + client);
  return {
    cores,
    hotSalePerSecond: SECOND_US / whole,
    // Each api process has one thread, Redis has one, and the load generator another. All share the
    // cores.
    predictedTwoPerSecond: Math.min((2 * SECOND_US) / api, SECOND_US / redis, SECOND_US / client, shared),
    measuredTwoPerSecond: of('accept_two.per_second'),
  };
}
