import { calledAtMs, CLOSED_GATE, nextGate, peopleBetween, type Gate } from '../../src/waiting-room/gate.ts';
import { EarlyLine } from '../../src/waiting-room/early-line.ts';
import { earlyPlace, EARLY_END, latePlace, PARTS } from '../../src/waiting-room/place.ts';
import { RoomSecrets } from '../../src/waiting-room/room-secrets.ts';
import { bitmapOf } from '../../testing/rooms.ts';

export const RULES = { passMs: 20_000, passesPerUnit: 2 };
const ROUND_MS = 250;
const SECRETS = new RoomSecrets({ seed: '17'.repeat(32), ticketKey: '71'.repeat(32) });

interface Person {
  readonly place: number;
  readonly willBuy: boolean;
  /** When the gate passed the place, in the ledger. */
  calledMs?: number;
  /** When the call was last known to end, by the service. */
  passEndMs?: number;
  state: 'waiting' | 'called' | 'bought' | 'gave back';
}

const hasBought = (state: Person['state']): boolean => state === 'bought' || state === 'gave back';

/**
 * A pure model of a sale with a room: it knows the state of each person. The gate knows only
 * counts. Faults: a process that dies between MySQL and Redis, two processes that decide
 * at the same time, and one that decides by an old view.
 */
export class RoomModel {
  nowMs = 1_000_000;
  available: number;
  readonly people: Person[];
  /** What MySQL has, and the copy in Redis. */
  ledger: Gate = CLOSED_GATE;
  redis: Gate = CLOSED_GATE;
  readonly admitPerSecond: number;
  readonly calls: { readonly atMs: number; readonly people: number }[] = [];
  readonly faults: string[] = [];
  readonly #line: EarlyLine;
  #late = 0;

  constructor(options: { early: number; units: number; admitPerSecond: number; buys: (i: number) => boolean }) {
    const slots = Array.from({ length: options.early }, (_, i) => SECRETS.draw(`early-${i}`).slot);
    this.#line = new EarlyLine(bitmapOf(slots));
    this.people = slots.map((slot, i) => ({ place: earlyPlace(slot), willBuy: options.buys(i), state: 'waiting' }));
    this.available = options.units;
    this.admitPerSecond = options.admitPerSecond;
  }

  arrive(count: number, buys: boolean): void {
    for (let i = 0; i < count; i += 1) {
      this.people.push({ place: latePlace(this.#late), willBuy: buys, state: 'waiting' });
      this.#late += PARTS;
    }
  }

  /** People who give their unit back may not buy again. */
  giveBack(): void {
    const owner = this.people.find(({ state }) => state === 'bought');
    if (owner === undefined) return;
    owner.state = 'gave back';
    this.available += 1;
  }

  /**
   * One round of a gate: `dies` after the commit in MySQL; `twice`: another process decides by the
   * same view.
   */
  round({ dies = false, twice = false } = {}): void {
    this.nowMs += ROUND_MS;
    if (this.redis.version < this.ledger.version) this.#show();
    const view = {
      nowMs: this.nowMs,
      available: this.available,
      bought: this.people.filter(({ state, passEndMs = 0 }) => hasBought(state) && passEndMs > this.nowMs).length,
      late: this.#late,
      admitPerSecond: this.admitPerSecond,
    };
    const known = this.ledger;
    for (let i = 0; i < (twice ? 2 : 1); i += 1) {
      const next = nextGate(known, this.#line, view, RULES);
      // As moveGate does: only who knows the version before moves it.
      if (next === undefined || next.version !== this.ledger.version + 1) continue;
      if (next.gate < this.ledger.gate) this.faults.push('the gate fell');
      this.ledger = next;
      for (const person of this.people) if (person.place < next.gate) person.calledMs ??= this.nowMs;
      if (this.inside > this.available * RULES.passesPerUnit)
        this.faults.push(`${this.inside} inside for ${this.available} units`);
    }
    if (dies) return;
    this.#show();
  }

  /** Called people come and buy, in the order of their places. */
  buy(): void {
    for (const person of this.people.toSorted((a, b) => a.place - b.place)) {
      if (person.state !== 'called' || !person.willBuy) continue;
      const atMs = calledAtMs(this.redis, person.place);
      if (atMs !== undefined && atMs + RULES.passMs > this.nowMs) person.passEndMs = atMs + RULES.passMs;
      if (this.available === 0) continue;
      this.available -= 1;
      person.state = 'bought';
    }
  }

  /**
   * Called, neither bought nor timed out: the truth about each person. By the ledger, of which
   * Redis may still have to learn.
   */
  get inside(): number {
    return this.people.filter(
      ({ state, calledMs = -Infinity }) => !hasBought(state) && calledMs + RULES.passMs > this.nowMs,
    ).length;
  }

  get waiting(): number {
    return peopleBetween(this.#line, this.redis.gate, latePlace(this.#late));
  }

  #show(): void {
    this.redis = this.ledger;
    const called = this.people.filter(({ state, place }) => state === 'waiting' && place < this.redis.gate);
    for (const person of called) person.state = 'called';
    this.calls.push({ atMs: this.nowMs, people: called.length });
  }

  /** Nobody behind the gate is called, and nobody before it waits. */
  check(): void {
    const wrong = this.people.filter(({ state, place }) => place < this.redis.gate !== (state !== 'waiting'));
    if (wrong.length > 0) this.faults.push(`${wrong.length} called out of order`);
    if (this.redis.gate > latePlace(this.#late) && this.redis.gate > EARLY_END) this.faults.push('beyond the line');
  }
}
