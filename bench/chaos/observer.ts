import { setTimeout as pause } from 'node:timers/promises';
import type { LedgerSample, PaymentSighting, RedisSample } from './checker/record.ts';
import type { Client } from './client.ts';
import type { LedgerReader } from './ledger-reader.ts';
import type { RedisReader } from './redis-reader.ts';

const REDIS_INTERVAL_MS = 50;
const LEDGER_INTERVAL_MS = 150;
const PRODUCT_INTERVAL_MS = 250;
const PAYMENT_INTERVAL_MS = 200;

/**
 * Reads the sales continuously, in Redis, in MySQL and over HTTP, and keeps the readings for the
 * checker.
 */
export class Observer {
  readonly samples: RedisSample[] = [];
  readonly ledgerSamples: LedgerSample[] = [];
  /** Each status in which a payment was seen, once. */
  readonly paymentSightings: PaymentSighting[] = [];
  readonly #paymentStatus = new Map<string, string>();
  readonly #client: Client;
  readonly #redis: RedisReader;
  readonly #ledger: LedgerReader;
  readonly #sales: number[] = [];
  readonly #stopping = new AbortController();
  readonly #loops: Promise<void>[];

  constructor(client: Client, redis: RedisReader, ledger: LedgerReader) {
    this.#client = client;
    this.#redis = redis;
    this.#ledger = ledger;
    this.#loops = [
      this.#repeat(REDIS_INTERVAL_MS, async (sale) => void this.samples.push(await this.#redis.sample(sale))),
      this.#repeat(LEDGER_INTERVAL_MS, async (sale) => void this.ledgerSamples.push(await this.#ledger.sample(sale))),
      this.#repeat(PRODUCT_INTERVAL_MS, async (sale) => void (await this.#readProduct(sale))),
      this.#repeat(PAYMENT_INTERVAL_MS, (sale) => this.#readPayments(sale)),
    ];
  }

  watch(sale: number): void {
    this.#sales.push(sale);
  }

  /** The available units when Redis was last seen ready. */
  unitsLeft(sale: number): number {
    return this.samples.findLast((sample) => sample.sale === sale && sample.ready)?.available ?? 0;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#loops);
  }

  #readProduct(sale: number) {
    return this.#client.call({ kind: 'product', shopper: '', sale, method: 'GET', path: `/api/v1/products/${sale}` });
  }

  async #readPayments(sale: number): Promise<void> {
    const payments = await this.#ledger.payments(sale);
    const atMs = Date.now();
    for (const { payment_id: paymentId, status } of payments) {
      if (this.#paymentStatus.get(paymentId) === status) continue;
      this.#paymentStatus.set(paymentId, status);
      this.paymentSightings.push({ at_ms: atMs, sale, payment_id: paymentId, status });
    }
  }

  async #repeat(intervalMs: number, look: (sale: number) => Promise<void>): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      // Ignore a server that is down: only readings of a server that answers count.
      for (const sale of this.#sales) await look(sale).catch(() => undefined);
      await pause(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
