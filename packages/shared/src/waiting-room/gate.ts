import { EARLY_END, EARLY_SLOTS, latePlace, PARTS } from './place.ts';
import { SLOT_PEOPLE_MAX, type EarlyLine } from './early-line.ts';

/** The people who were called in one short span of time. */
export interface Call {
  /** When their pass begins: the end of the span. */
  readonly atMs: number;
  /** The gate at that time. */
  readonly gate: number;
  readonly people: number;
}

/** How far the line was called. MySQL has the truth, Redis a copy. */
export interface Gate {
  /** Raised with each call. */
  readonly version: number;
  /** Places below it are called. It never falls. */
  readonly gate: number;
  /** The calls whose passes last, after the last one before them. Oldest first. */
  readonly calls: readonly Call[];
  /** Until when the calls so far have used the rate, ms. */
  readonly pacedMs: number;
}

export const CLOSED_GATE: Gate = { version: 0, gate: 0, calls: [], pacedMs: 0 };

export interface GateRules {
  /** How long a call lasts. */
  readonly passMs: number;
  /** People inside for each free unit. */
  readonly passesPerUnit: number;
}

/** What the gate knows of its sale at one instant. */
export interface RoomView {
  readonly nowMs: number;
  /** Units that are free. */
  readonly available: number;
  /**
   * Called shoppers whose pass lasts and who have bought, even if their orders are closed again.
   */
  readonly bought: number;
  /** The end of the line of late shoppers. */
  readonly late: number;
  readonly admitPerSecond: number;
}

/** Calls are counted together if they are closer than this share of a pass, or than a second. */
const SPANS_OF_A_PASS = 100;
const SPAN_MS_MIN = 1_000;
/** If the gate is late, it may call at once as many as the rate allows in this time. */
const BURST_MS = 500;
/** The gate stays this share below its limit, which is more than the error of the counts. */
const MARGIN = 0.01;

/** People called whose pass lasts and who have not bought. */
export function peopleInside(
  { calls }: Pick<Gate, 'calls'>,
  { nowMs, bought }: Pick<RoomView, 'nowMs' | 'bought'>,
  passMs: number,
): number {
  const called = calls.reduce((sum, { atMs, people }) => (atMs + passMs > nowMs ? sum + people : sum), 0);
  return Math.max(0, Math.round(called) - bought);
}

/** Calls in one span of time are counted together. */
const spanMsOf = (passMs: number): number => Math.max(SPAN_MS_MIN, passMs / SPANS_OF_A_PASS);

/** No pass that begins now ends later than after this time. */
export const passMsMax = (passMs: number): number => passMs + spanMsOf(passMs);

/** The next version of the gate; undefined if it stays: nobody can be called now. */
export function nextGate(gate: Gate, line: EarlyLine, view: RoomView, rules: GateRules): Gate | undefined {
  const { nowMs, late } = view;
  const spanMs = spanMsOf(rules.passMs);
  const spanEndMs = Math.ceil(nowMs / spanMs) * spanMs;
  // A call from the future is from before the clock was set back: its pass begins again. Keep that,
  // even if nobody is called: else the pass would begin again in each round.
  const calls = gate.calls.map((call) => ({ ...call, atMs: Math.min(call.atMs, spanEndMs) }));
  const isSetBack = gate.calls.some(({ atMs }) => atMs > spanEndMs);
  const standing = isSetBack ? { ...gate, version: gate.version + 1, calls } : undefined;
  const inside = peopleInside({ calls }, view, rules.passMs);
  const limit = Math.floor(view.available * rules.passesPerUnit);
  const pacing = paceOf(gate.pacedMs, view);
  const free = limit - Math.floor(limit * MARGIN) - inside;
  const allowed = Math.min(free, pacing.people);
  if (allowed < 1) return standing;

  // The rate holds for the people of one slot by a longer pause after them.
  const moved = advance(gate.gate, line, { late, people: allowed, firstMax: inside === 0 ? Infinity : free });
  if (moved.gate === gate.gate) return standing;
  return {
    version: gate.version + 1,
    gate: moved.gate,
    calls: withCall(calls, { atMs: spanEndMs, ...moved }, nowMs - rules.passMs),
    pacedMs: Math.round(pacing.fromMs + moved.people * pacing.intervalMs),
  };
}

/** How many people may be called by the rate alone. */
function paceOf(pacedMs: number, { nowMs, admitPerSecond }: Pick<RoomView, 'nowMs' | 'admitPerSecond'>) {
  const intervalMs = 1_000 / admitPerSecond;
  const burstMs = Math.max(BURST_MS, intervalMs);
  // A time far in the future is from before the clock was set back, or from a lower rate.
  const isAhead = pacedMs > nowMs + SLOT_PEOPLE_MAX * intervalMs + SPAN_MS_MIN;
  const fromMs = isAhead ? nowMs - burstMs : Math.max(pacedMs, nowMs - burstMs);
  return { intervalMs, fromMs, people: Math.floor((nowMs - fromMs) / intervalMs + 1e-9) };
}

/** Moves the gate over at most `people`: the early ones, then the late ones. */
function advance(
  from: number,
  line: EarlyLine,
  { late, people, firstMax }: { readonly late: number; readonly people: number; readonly firstMax: number },
): { readonly gate: number; readonly people: number } {
  let gate = from;
  let called = 0;
  if (gate < EARLY_END) {
    const early = line.advance(gate / PARTS, people, firstMax);
    if (early.slot < EARLY_SLOTS) return { gate: early.slot * PARTS, people: early.people };
    gate = EARLY_END;
    called = early.people;
  }
  const to = Math.min(latePlace(late), gate + Math.max(0, Math.floor(people - called)) * PARTS);
  return to <= gate ? { gate, people: called } : { gate: to, people: called + (to - gate) / PARTS };
}

/**
 * The calls with one more, without those that ended before the last one that ended before
 * `endedMs`.
 */
function withCall(calls: readonly Call[], call: Call, endedMs: number): Call[] {
  const last = calls.at(-1);
  const all =
    last?.atMs === call.atMs
      ? [...calls.slice(0, -1), { ...call, people: last.people + call.people }]
      : [...calls, call];
  const firstLasting = all.findIndex(({ atMs }) => atMs > endedMs);
  return all.slice(Math.max(0, firstLasting - 1));
}

/** The people whose places are from `from` on and before `to`. */
export function peopleBetween(line: EarlyLine, from: number, to: number): number {
  const before = (place: number): number =>
    place < EARLY_END ? line.before(place / PARTS) : line.size + (place - EARLY_END) / PARTS;
  return Math.max(0, before(to) - before(from));
}

/**
 * When the pass of a place began or begins; undefined if the place is not called, or was long ago.
 */
export function calledAtMs({ gate, calls }: Pick<Gate, 'gate' | 'calls'>, place: number): number | undefined {
  return place < gate ? calls.find((call) => call.gate > place)?.atMs : undefined;
}

/** People called per second lately, over about a minute; undefined if nobody was. */
export function callsPerSecond({ calls }: Pick<Gate, 'calls'>, nowMs: number, passMs: number): number | undefined {
  const lately = calls.filter(({ atMs }) => atMs > nowMs - RATE_MS);
  const people = lately.reduce((sum, call) => sum + call.people, 0);
  if (people < 0.5) return undefined;
  const sinceMs = lately[0]!.atMs - spanMsOf(passMs);
  return (people * 1_000) / Math.max(SPAN_MS_MIN, nowMs - sinceMs);
}

const RATE_MS = 60_000;
