import { createHash, createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto';
import type { SeckillClaim } from '../seckill-token/known-tokens.ts';
import type { WaitingRoom } from '../sale/sale.ts';
import { fractionOf, slotOf } from './place.ts';

/** Groups of shoppers, by their numbers: late joins are counted once for each group. */
export const LATE_GROUPS = 2 ** 18;
const TICKET = /^(?:e|l\.[0-9a-z]{1,9})\.[0-9a-z]{1,11}\.[A-Za-z0-9_-]{43}$/;
export const TICKET_LENGTH_MAX = 80;
/** Of the number of a shopper. More would not be exact in a double. */
const SHOPPER_BYTES = 6;
/** Of a MAC in base64. */
const MAC_LENGTH = 43;

/** When the holder of a ticket joined: before the start, or behind this many parts of shoppers. */
export type Joined = 'early' | { readonly late: number };

/** The secrets of a waiting room: the seed, which orders early shoppers, and the key of tickets. */
export class RoomSecrets {
  readonly #seed: KeyObject;
  readonly #ticketKey: KeyObject;

  constructor({ seed, ticketKey }: Pick<WaitingRoom, 'seed' | 'ticketKey'>) {
    this.#seed = createSecretKey(Buffer.from(seed, 'hex'));
    this.#ticketKey = createSecretKey(Buffer.from(ticketKey, 'hex'));
  }

  /** The early place of a shopper. It does not depend on when and how often the shopper joins. */
  draw(userId: string): { readonly slot: number; readonly fraction: number } {
    const mac = createHmac('sha256', this.#seed).update(userId).digest();
    return { slot: slotOf(mac), fraction: fractionOf(mac) };
  }

  /**
   * The ticket of a shopper who joins before the start, and the number by which Redis recognizes
   * the shopper, both from one MAC. Nobody can choose an id for its number, since the key is never
   * public.
   */
  early(claim: SeckillClaim): { readonly ticket: string; readonly shopper: number } {
    const ticket = this.sign(claim, 'early');
    const mac = Buffer.from(ticket.slice(-MAC_LENGTH), 'base64url');
    return { ticket, shopper: mac.readUIntBE(0, SHOPPER_BYTES) };
  }

  /**
   * A ticket. An early one contains no place, so its shopper cannot learn the place before the seed
   * is public, and it is the same text each time it is issued.
   */
  sign({ userId, saleId }: SeckillClaim, joined: Joined): string {
    const body = `${joined === 'early' ? 'e' : `l.${joined.late.toString(36)}`}.${saleId.toString(36)}`;
    return `${body}.${this.#mac(body, userId)}`;
  }

  /**
   * When the holder joined; undefined if we did not issue this ticket to this shopper for this
   * sale.
   */
  verify(ticket: string, { userId, saleId }: SeckillClaim): Joined | undefined {
    if (!TICKET.test(ticket)) return undefined;
    const end = ticket.lastIndexOf('.');
    const body = ticket.slice(0, end);
    const parts = body.split('.');
    if (parts.at(-1) !== saleId.toString(36)) return undefined;
    // Compare the text, not the decoded bytes: two texts can decode to the same bytes.
    const isOurs = timingSafeEqual(Buffer.from(this.#mac(body, userId)), Buffer.from(ticket.slice(end + 1)));
    if (!isOurs) return undefined;
    return parts[0] === 'e' ? 'early' : { late: parseInt(parts[1]!, 36) };
  }

  #mac(body: string, userId: string): string {
    return createHmac('sha256', this.#ticketKey).update(`ticket\n${body}\n${userId}`).digest('base64url');
  }
}

const known = new WeakMap<WaitingRoom, RoomSecrets>();

export function secretsOf(room: WaitingRoom): RoomSecrets {
  let secrets = known.get(room);
  if (secrets === undefined) known.set(room, (secrets = new RoomSecrets(room)));
  return secrets;
}

/** The commitment to the seed. It is public from the creation of the sale on. */
export function commitmentOf({ seed }: Pick<WaitingRoom, 'seed'>): string {
  return createHash('sha256').update(Buffer.from(seed, 'hex')).digest('hex');
}
