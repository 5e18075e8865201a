import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { check, type Findings } from './checker/check.ts';
import type { FinalReading, RoundRecord, SaleFacts, Strike } from './checker/record.ts';
import { orderNoOf } from './checker/view.ts';
import { Client } from './client.ts';
import { type Cluster } from './cluster.ts';
import { Crowd } from './crowd.ts';
import type { Fault } from './faults/fault.ts';
import { Stage } from './faults/stage.ts';
import type { History } from './history.ts';
import { LedgerReader } from './ledger-reader.ts';
import { Observer } from './observer.ts';
import type { Random } from './random.ts';
import { RedisReader } from './redis-reader.ts';
import { recoveryOf } from './recovery.ts';
import { firstOrders, keepPace, openSale, sellForGood, sellOut, PRICE, type OpenedSale } from './selling.ts';

/** Units for each shopper who comes, if everybody buys one. */
const SUPPLY = 0.75;
/** What sales allow; the seed decides. */
const UNITS_PER_SHOPPER = [1, 3] as const;
/** The share of rounds whose sale has a waiting room; the seed decides. */
const ROOM_SHARE = 0.5;
/** How long all shoppers take to arrive at the planned rate. */
const CROWD_S = 13;
const RECOVERY_MS_MAX = 15_000;
const READINGS_MAX = 5;
const FINAL_POLLS = 150;
const LATE_PER_SECOND = 15;
const SALE_MS = 3_600_000;

export interface RoundOptions {
  readonly cluster: Cluster;
  readonly faults: readonly Fault[];
  readonly shoppers: number;
  readonly random: Random;
  readonly history: History;
  readonly progress: (what: string) => void;
}

export interface RoundResult extends Findings {
  readonly record: RoundRecord;
  readonly requests: number;
  /** Distinct order numbers in answers to buyers. */
  readonly accepted: number;
  readonly orders: number;
  readonly took_ms: number;
}

/**
 * Opens a sale, sells, applies the faults one after another, sells the rest, waits until everything
 * is settled, and checks.
 */
export async function runRound(options: RoundOptions): Promise<RoundResult> {
  const { cluster, faults, shoppers, random, history, progress } = options;
  const beganMs = Date.now();
  const client = new Client(history, cluster.apiPorts);
  const redis = new RedisReader(cluster.redis.port, cluster.password);
  const ledger = new LedgerReader({ port: cluster.mysql.port, user: cluster.mysqlUser, password: cluster.password });
  const observer = new Observer(client, redis, ledger);
  const crashesBefore = cluster.crashes.length;
  const sales: SaleFacts[] = [];
  const refusedPrefixes: string[] = [];

  const open = async (fields: OpenedSale, sellsOut: boolean): Promise<SaleFacts> => {
    const sale = { ...fields, id: await openSale(client, fields), price_cents: Math.round(PRICE * 100), sellsOut };
    sales.push(sale);
    observer.watch(sale.id);
    history.note('sale', { ...sale });
    return sale;
  };

  const nowMs = Date.now();
  const unitsPerShopper = random.part('units per shopper').pick(UNITS_PER_SHOPPER);
  // Shoppers want half of what they may buy on average.
  const units = Math.floor((shoppers * SUPPLY * (1 + unitsPerShopper)) / 2);
  const sale = await open(
    {
      units,
      units_per_shopper: unitsPerShopper,
      start_ms: nowMs - 1_000,
      end_ms: nowMs + SALE_MS,
      has_room: random.part('waiting room').chance(ROOM_SHARE),
    },
    true,
  );
  const crowd = new Crowd(client, sale, random.part('crowd'));
  const unitsLeft = (): number => observer.unitsLeft(sale.id);
  const loadOver = Promise.withResolvers<void>();

  const strike = async (fault: Fault): Promise<Strike> => {
    const stage = new Stage({
      cluster,
      client,
      crowd,
      redis,
      ledger,
      random: random.part(fault.name),
      sale,
      openSale: (fields) => open(fields, false),
      unitsLeft,
      loadOver: loadOver.promise,
      refuse: (prefix) => refusedPrefixes.push(prefix),
      recoveredSince: (healedMs, limitMs) =>
        recoveryOf({ history, redis, sale: sale.id, healed_ms: healedMs, limit_ms: limitMs }),
      note: (event, fields) => history.note(event, fields),
    });
    await stage.pauseBetween(0.2, 0.8);
    progress(fault.name);
    await fault.run(stage);
    const healedMs = Date.now();
    const recoveryMs = await recoveryOf({
      history,
      redis,
      sale: sale.id,
      healed_ms: healedMs,
      limit_ms: RECOVERY_MS_MAX,
    });
    const { struckMs, buysInFlight, standstills } = stage;
    const losesRedisData = fault.losesRedisData ?? false;
    const when = { struck_ms: struckMs, healed_ms: healedMs, recovery_ms: recoveryMs };
    const struck = {
      fault: fault.name,
      ...when,
      standstills,
      buys_in_flight: buysInFlight,
      units_left: stage.unitsLeft,
      losesRedisData,
    };
    history.note('strike', struck);
    return struck;
  };

  const paceMaker = keepPace(crowd, unitsLeft, units, shoppers / CROWD_S);
  try {
    await firstOrders(history);
    const strikes: Strike[] = [];
    const lasting: Promise<Strike>[] = [];
    for (const fault of faults) {
      const striking = strike(fault);
      if (fault.outlastsLoad !== true) {
        strikes.push(await striking);
        continue;
      }
      // Continue the load under the fault for a while.
      lasting.push(striking);
      await pause(2_000);
    }
    paceMaker.stop();
    progress('selling out');
    // A fault that outlasts the load may prevent all payments.
    if (lasting.length > 0) await sellOut(crowd, redis, sale.id);
    loadOver.resolve();
    // Some shoppers must check whether the shop answers. `sold_out` is an answer.
    if (lasting.length > 0) crowd.pace(LATE_PER_SECOND);
    strikes.push(...(await Promise.all(lasting)));
    crowd.pace(0);
    progress('draining');
    await crowd.close();
    const lastBuyers = new Crowd(client, sale, random.part('last buyers'), crowd.came);
    const drained = await sellForGood({ crowd: lastBuyers, redis, ledger, sales });
    await lastBuyers.close();
    progress('checking');
    const finals = await Promise.all(sales.map(({ id }) => finalReading(redis, ledger, id)));
    await pollAgain(client, history, finals, random.part('polls'));
    await observer.stop();
    const refusedShoppers = new Set(
      history.calls
        .map(({ shopper }) => shopper)
        .filter((shopper) => refusedPrefixes.some((prefix) => shopper.startsWith(prefix))),
    );
    const record: RoundRecord = {
      sales,
      calls: history.calls,
      samples: observer.samples,
      ledgerSamples: observer.ledgerSamples,
      paymentSightings: observer.paymentSightings,
      finals,
      strikes,
      refusedShoppers,
      crashes: cluster.crashes.slice(crashesBefore),
      drained,
    };
    for (const { orders, owners, reservations, ...rest } of finals)
      history.note('final', { ...rest, orders, owners: Object.fromEntries(owners), reservations: [...reservations] });
    history.note('samples', {
      redis: observer.samples,
      ledger: observer.ledgerSamples,
      payments: observer.paymentSightings,
    });
    const findings = check(record);
    for (const violation of findings.violations) history.note('violation', { ...violation });
    return {
      ...findings,
      record,
      requests: history.calls.length,
      accepted: new Set(history.calls.map(orderNoOf).filter((orderNo) => orderNo !== undefined)).size,
      orders: finals.reduce((sum, { orders }) => sum + orders.length, 0),
      took_ms: Date.now() - beganMs,
    };
  } finally {
    paceMaker.stop();
    await crowd.close();
    await observer.stop();
    client.close();
    redis.close();
    await ledger.close();
  }
}

/** A consistent reading of Redis and MySQL: repeated if a refund changed the ledger meanwhile. */
async function finalReading(redis: RedisReader, ledger: LedgerReader, sale: number): Promise<FinalReading> {
  for (let tries = 1; ; tries += 1) {
    const beganMs = Date.now();
    const before = await ledger.final(sale);
    const inRedis = await redis.final(sale);
    const after = await ledger.final(sale);
    if (tries === READINGS_MAX || isDeepStrictEqual(before, after))
      return { sale, began_ms: beganMs, ...inRedis, ...after };
  }
}

/** Polls some of the accepted orders again over HTTP, and all that are not in the ledger. */
async function pollAgain(
  client: Client,
  history: History,
  finals: readonly FinalReading[],
  random: Random,
): Promise<void> {
  const written = new Set(
    finals.flatMap(({ orders }) =>
      orders.filter(({ status }) => status !== 'failed').map(({ order_no: orderNo }) => orderNo),
    ),
  );
  const accepted = new Map<string, number>();
  for (const call of history.calls) {
    const orderNo = orderNoOf(call);
    if (orderNo !== undefined) accepted.set(orderNo, call.sale);
  }
  const missing = [...accepted.keys()].filter((orderNo) => !written.has(orderNo)).slice(0, 1_000);
  const some = random.shuffled([...accepted.keys()]).slice(0, FINAL_POLLS);
  const queue = [...new Set([...missing, ...some])];
  const next = async (): Promise<void> => {
    for (let orderNo = queue.pop(); orderNo !== undefined; orderNo = queue.pop()) {
      await client.call({
        kind: 'poll',
        shopper: '',
        sale: accepted.get(orderNo)!,
        method: 'GET',
        path: `/api/v1/orders/${orderNo}`,
        order_no: orderNo,
      });
    }
  };
  await Promise.all(Array.from({ length: 20 }, next));
}
