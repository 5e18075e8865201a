import { readScripts, type RedisCalls } from '../platform/redis/script-loader.ts';
import type { ErrorCode } from '../platform/errors.ts';
import type { Keys } from '../platform/redis/keys.ts';
import type { SaleRef } from '../sale/sale.ts';
import { passMsMax, type Call, type Gate } from './gate.ts';
import { PARTS } from './place.ts';
import { LATE_GROUPS, type Joined } from './room-secrets.ts';

export const WAITING_ROOM_SCRIPTS = readScripts(import.meta.url, {
  join_room: { needsMemory: true },
  read_room: {},
  look_at_room: {},
  load_room: { needsMemory: true },
  publish_gate: {},
  enter_room: { needsMemory: true },
});
export type WaitingRoomScript = (typeof WAITING_ROOM_SCRIPTS)[number]['name'];

/** A shopper who joins: the drawn slot, and the number by which Redis recognizes the shopper. */
export interface JoinItem {
  readonly slot: number;
  readonly shopper: number;
}

/** A join is remembered for at least this time: a shopper who got no answer can join again. */
export const JOIN_KNOWN_MS = 60_000;

export type Join =
  | { readonly outcome: 'joined'; readonly joined: Joined }
  | { readonly outcome: Extract<ErrorCode, 'not_ready' | 'ended'> };

/** What Redis has of a room at one instant. */
export interface LiveRoom extends Pick<Gate, 'version' | 'gate' | 'calls'> {
  /** The room was loaded in the history of Redis that answered. */
  readonly isLoaded: boolean;
  readonly isDrawn: boolean;
  /** The end of the line of late shoppers, in parts. */
  readonly late: number;
  /** Held units may become available again. */
  readonly mayReturn: boolean;
  readonly saleReady: boolean;
  readonly available: number;
  readonly paused: boolean;
  readonly nowMs: number;
}

/** A called shopper who asks for a seckill token. */
export interface Entry {
  readonly userId: string;
  readonly passEndMs: number;
}

export function createWaitingRoomCommands({ redis, run, runInTime }: RedisCalls<WaitingRoomScript>, keys: Keys) {
  return {
    /** Joins at most a few hundred shoppers. The results are in the order of the items. */
    async joinRoom(sale: SaleRef, items: readonly JoinItem[]): Promise<Join[]> {
      const { state, room, roomEarly, roomLate } = keys.sale(sale);
      const slots = items.map(({ slot }) => slot).join(' ');
      const shoppers = items.map(({ shopper }) => shopper).join(' ');
      const names = [state, room, roomEarly, roomLate, ...keys.roomJoined(sale)];
      const args = [slots, shoppers, PARTS, LATE_GROUPS, JOIN_KNOWN_MS];
      const { reply } = await runInTime<string>(sale.shard, 'join_room', names, args, (it) => it === 'late');
      if (reply === 'not_ready' || reply === 'ended') return items.map(() => ({ outcome: reply }));
      if (reply === 'early') return items.map(() => ({ outcome: 'joined', joined: 'early' }));
      return reply
        .split(' ')
        .map((place) => ({ outcome: 'joined', joined: place === 'e' ? 'early' : { late: Number(place) } }));
    },

    async readRoom(sale: SaleRef): Promise<LiveRoom> {
      const { state, pause, room } = keys.sale(sale);
      type Reply = [number, number, number, number, number, string, number, number, number, number, number];
      const reply = await run<Reply>('read_room', [state, pause, room], []);
      const [isLoaded, isDrawn, late, version, gate, calls, mayReturn, saleReady, available, paused, nowMs] = reply;
      return {
        isLoaded: isLoaded === 1,
        isDrawn: isDrawn === 1,
        late,
        version,
        gate,
        calls: callsOfText(calls),
        mayReturn: mayReturn === 1,
        saleReady: saleReady === 1,
        available,
        paused: paused === 1,
        nowMs,
      };
    },

    /** What only the gate needs. If the start has come, nobody joins early after this call. */
    async lookAtRoom(sale: SaleRef, passMs: number): Promise<{ bought: number; backlog: number; sheds: boolean }> {
      const { state, room, roomEntered, roomBought, owners } = keys.sale(sale);
      const names = [state, room, roomEntered, roomBought, owners, keys.shedding(sale.shard)];
      const [bought, backlog, sheds] = await run<[number, number, number]>('look_at_room', names, [passMsMax(passMs)]);
      return { bought, backlog, sheds: sheds === 1 };
    },

    /** The bitmap of early places. */
    async readEarly(sale: SaleRef): Promise<Buffer> {
      return (await redis.getBuffer(keys.sale(sale).roomEarly)) ?? Buffer.alloc(0);
    },

    /** Returns false if Redis does not keep the sale. */
    async loadRoom(
      sale: SaleRef,
      { isDrawn, late, early, gate }: { isDrawn: boolean; late: number; early: Buffer; gate: Gate },
    ): Promise<boolean> {
      const { state, room, roomEarly, roomLoading } = keys.sale(sale);
      const args = [isDrawn ? 1 : 0, late, early, gate.version, gate.gate, textOfCalls(gate.calls)];
      const names = [state, room, roomEarly, roomLoading];
      const { reply } = await runInTime<number>(sale.shard, 'load_room', names, args, (it) => it === -1);
      return reply === 1;
    },

    /** Shows readers the gate of the ledger. */
    async publishGate(sale: SaleRef, { version, gate, calls }: Gate, mayReturn: boolean): Promise<void> {
      const { room, roomChanged } = keys.sale(sale);
      await run('publish_gate', [room], [version, gate, textOfCalls(calls), mayReturn ? '1' : '0', roomChanged]);
    },

    async enterRoom(sale: SaleRef, entries: readonly Entry[]): Promise<void> {
      const lastMs = Math.max(...entries.map(({ passEndMs }) => passEndMs));
      const pairs = entries.flatMap(({ userId, passEndMs }) => [passEndMs, userId]);
      await run('enter_room', [keys.sale(sale).roomEntered], [lastMs, ...pairs]);
    },

    /** An api process sheds load: for `lifeMs` nobody is called in this shard. */
    async noteShedding(shard: number, lifeMs: number): Promise<void> {
      await redis.set(keys.shedding(shard), '1', 'PX', lifeMs);
    },
  };
}

/** Calls as they are stored, in MySQL too. */
export function textOfCalls(calls: readonly Call[]): string {
  return JSON.stringify(calls.map(({ atMs, gate, people }) => [atMs, gate, Number(people.toFixed(3))]));
}

export function callsOfText(text: string): Call[] {
  return (JSON.parse(text) as [number, number, number][]).map(([atMs, gate, people]) => ({ atMs, gate, people }));
}
