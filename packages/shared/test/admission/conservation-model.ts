import type { Admission, AdmitItem } from '../../src/admission/admission-commands.ts';
import { unitsOf as unitsHeld, type Owner } from '../../src/sale/owner.ts';

export const USERS = ['a', 'b', 'c', 'd', 'e'];
/** Some buys ask for more. */
export const UNITS_PER_SHOPPER = 3;
export const BACKLOG_MAX = 4;
export const TOKEN_LIFE_MS = 600_000;

/** A buy of a step. */
export interface Wanted {
  readonly user: string;
  readonly token: 'live' | 'wrong';
  readonly quantity: number;
}

/** One thing that happens to a sale. Numbers pick from what was made before. */
export type Step =
  | { readonly do: 'issue'; readonly user: string }
  | {
      readonly do: 'admit';
      readonly buys: readonly Wanted[];
      readonly late: boolean;
    }
  | { readonly do: 'resend'; readonly which: number; readonly late: boolean }
  | { readonly do: 'pause'; readonly version: number; readonly paused: boolean }
  | { readonly do: 'settle' | 'give_back'; readonly which: readonly number[]; readonly lost: boolean }
  | {
      readonly do: 'rebuild';
      readonly steps: number;
      readonly lost: boolean;
      readonly again: boolean;
      readonly units: number;
    }
  | {
      readonly do: 'change';
      readonly more: number;
      readonly dies: boolean;
      readonly lost: boolean;
      readonly again: boolean;
    }
  | { readonly do: 'lose_lease' | 'empty_redis' | 'flush_scripts' };

/** What Redis and the ledger should hold. */
export class Model {
  ready = false;
  version = 0;
  total = 0;
  available = 0;
  paused = { version: -1, paused: false };
  readonly owners = new Map<string, Owner>();
  readonly reservations = new Map<string, Owner>();
  /** The orders of each batch, in the outbox or settled. */
  readonly batches = new Map<string, ReadonlySet<string>>();
  /** By shopper: the live seckill token. */
  readonly tokens = new Map<string, string>();
  /** The orders that have a row, and whether it is live. */
  readonly ledger = new Map<string, boolean>();

  /** A batch that is stored accepts what it accepted before, and nothing else. */
  admit(batchNo: string, items: readonly AdmitItem[], late: boolean): Admission[] {
    const stored = this.batches.get(batchNo);
    if (stored !== undefined)
      return items.map(({ orderNo }) => ({ outcome: stored.has(orderNo) ? 'accepted' : 'unavailable' }));
    if (late) return items.map(() => ({ outcome: 'unavailable' }));
    const admissions = items.map((item) => this.#decide(item));
    const accepted = items.filter((_, i) => admissions[i]!.outcome === 'accepted').map(({ orderNo }) => orderNo);
    if (accepted.length > 0) this.batches.set(batchNo, new Set(accepted));
    return admissions;
  }

  #decide({ userId, orderNo, quantity, token }: AdmitItem): Admission {
    const owned = this.owners.get(userId);
    if (!this.ready) return { outcome: 'not_ready' };
    if (owned !== undefined) return { outcome: 'replayed', orderNo: owned.orderNo, quantity: owned.quantity };
    if (quantity > UNITS_PER_SHOPPER) return { outcome: 'invalid_request', unitsPerShopper: UNITS_PER_SHOPPER };
    if (this.paused.paused) return { outcome: 'paused' };
    if (this.available <= 0) return { outcome: 'sold_out', available: 0 };
    if (this.reservations.size >= BACKLOG_MAX) return { outcome: 'overloaded' };
    if (this.available < quantity) return { outcome: 'sold_out', available: this.available };
    if (this.tokens.get(userId) !== token) return { outcome: 'token_invalid' };
    this.available -= quantity;
    this.owners.set(userId, { userId, orderNo, quantity });
    this.reservations.set(orderNo, { userId, orderNo, quantity });
    this.tokens.delete(userId);
    return { outcome: 'accepted' };
  }

  /** As the writer does: a reservation that no owner entry names becomes a failed row. */
  settle(orders: readonly Owner[]): void {
    for (const { userId, orderNo } of orders) {
      this.reservations.delete(orderNo);
      if (!this.ledger.has(orderNo)) this.ledger.set(orderNo, this.owners.get(userId)?.orderNo === orderNo);
    }
  }

  /** Whether a writer can come by this order. */
  knows(orderNo: string): boolean {
    return this.reservations.has(orderNo) || this.ledger.has(orderNo);
  }

  giveBack(owners: readonly Owner[]): number {
    let givenBack = 0;
    for (const { userId, orderNo, quantity } of owners) {
      this.ledger.set(orderNo, false);
      if (this.owners.get(userId)?.orderNo !== orderNo) continue;
      this.owners.delete(userId);
      givenBack += quantity;
    }
    this.available += givenBack;
    return givenBack;
  }

  rebuilt(total: number, owners: readonly Owner[]): void {
    this.ready = true;
    this.version = 1;
    this.total = total;
    this.available = total - unitsHeld(owners);
    this.owners.clear();
    for (const owner of owners) this.owners.set(owner.userId, owner);
  }

  /** The sale is open again with so many units more. */
  changed(more: number): void {
    this.ready = true;
    this.version += 1;
    this.total += more;
    this.available += more;
  }

  /** Redis lost its data; the ledger did not. */
  empty(): void {
    this.ready = false;
    this.total = this.available = 0;
    this.paused = { version: -1, paused: false };
    for (const lost of [this.owners, this.reservations, this.batches, this.tokens]) lost.clear();
  }
}
