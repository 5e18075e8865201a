import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '../client.ts';
import type { Cluster } from '../cluster.ts';
import type { Crowd } from '../crowd.ts';
import type { LedgerReader } from '../ledger-reader.ts';
import type { Random } from '../random.ts';
import type { RedisReader } from '../redis-reader.ts';
import type { OpenedSale } from '../selling.ts';
import type { SaleFacts } from '../checker/record.ts';

const BUSY_MS_MAX = 3_000;

/** What a fault can use. */
export interface StageDeps {
  readonly cluster: Cluster;
  readonly client: Client;
  readonly crowd: Crowd;
  readonly redis: RedisReader;
  readonly ledger: LedgerReader;
  readonly random: Random;
  readonly sale: SaleFacts;
  /** Opens another sale in this round. It is checked like the first. */
  readonly openSale: (fields: OpenedSale) => Promise<SaleFacts>;
  readonly unitsLeft: () => number;
  /** Resolves when the last buyer of the round has arrived. */
  readonly loadOver: Promise<void>;
  /**
   * Reports to the checker the beginning of the ids of shoppers whose orders MySQL rejects for a
   * while.
   */
  readonly refuse: (prefix: string) => void;
  /** The time from a moment until the sale went on; null if it did not within `limitMs`. */
  readonly recoveredSince: (momentMs: number, limitMs: number) => Promise<number | null>;
  /** Writes a line into the history. */
  readonly note: (event: string, fields: Record<string, unknown>) => void;
}

/** The environment of a fault. It records when the fault occurred, and how busy the service was. */
export class Stage {
  readonly deps: StageDeps;
  struckMs = 0;
  buysInFlight = 0;
  unitsLeft = 0;
  /** What stood still although only some processes were affected. */
  readonly standstills: string[] = [];

  constructor(deps: StageDeps) {
    this.deps = deps;
  }

  get hasStruck(): boolean {
    return this.struckMs > 0;
  }

  /** Whether a fault would have an effect now: buys are in flight and units are left. */
  get isBusy(): boolean {
    return this.deps.client.buysInFlight > 0 && this.deps.unitsLeft() > 0;
  }

  /** Records the fault. Call it in the same tick; later calls change nothing. */
  strikes(): void {
    if (this.hasStruck) return;
    this.struckMs = Date.now();
    this.buysInFlight = this.deps.client.buysInFlight;
    this.unitsLeft = this.deps.unitsLeft();
  }

  /** Sends a surge of shoppers and starts the fault during their buys. */
  async strikeWhenBusy<Result>(strike: () => Result): Promise<Result> {
    const { crowd, client, random } = this.deps;
    void crowd.surge(random.integer(15, 50));
    await client.untilBuysInFlight(random.integer(3, 15), BUSY_MS_MAX);
    this.strikes();
    return strike();
  }

  /** During a fault: the unaffected processes must sell and write within `limitMs`. */
  async expectNoStandstill(sinceMs: number, limitMs: number): Promise<void> {
    if ((await this.deps.recoveredSince(sinceMs, limitMs)) === null)
      this.standstills.push(`the sale did not go on within ${limitMs} ms of ${sinceMs}`);
  }

  /** During a fault: no order stays unpaid for longer than `limitMs` after its deadline. */
  async expectNoOverdue(limitMs: number): Promise<void> {
    const overdue = await this.deps.ledger.overdue(this.deps.sale.id, limitMs);
    if (overdue > 0)
      this.standstills.push(`${overdue} orders were overdue by more than ${limitMs} ms at ${Date.now()}`);
  }

  /** Waits for a time that the seed decides, s. */
  async pauseBetween(minS: number, maxS: number): Promise<void> {
    await pause((minS + (maxS - minS) * this.deps.random.next()) * 1_000);
  }

  pick<Value>(values: readonly Value[]): Value {
    return this.deps.random.pick(values);
  }
}
