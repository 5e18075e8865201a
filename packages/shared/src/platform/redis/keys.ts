/** What the keys of a sale are named by. */
interface SaleRef {
  readonly id: number;
  readonly shard: number;
}

/**
 * Version of the key layout, part of every key. With a new version no sale is ready, so all are
 * rebuilt.
 */
const LAYOUT = 'v4';

/** The keys of one sale. All carry the hash tag of its shard. */
export interface SaleKeys {
  /**
   * Hash: `ready history_id version available total backlog start_ms end_ms price_cents
   * units_per_shopper extra_held taken_until_ms`.
   */
  readonly state: string;
  /** String `version 0|1`: the pause, with the row's `pause_version`. */
  readonly pause: string;
  /** Hash user → `order_no[:quantity]`: the held units. */
  readonly owners: string;
  /**
   * Hash batch number → `admitted_ms price_cents orders` and a line
   * `order_no user_id request_id[~traceparent][ quantity]` for each order: the outbox.
   */
  readonly batches: string;
  /** Sorted set of the same batch numbers by admission time. */
  readonly batchTimes: string;
  /**
   * Sorted set user → expiry of their live seckill token, ms. It has a TTL, and exists only if the
   * number of tokens is limited.
   */
  readonly liveTokens: string;
  /** Hash `process outcome` → number of buys, written by the api processes for statistics. */
  readonly outcomes: string;
  /**
   * String `fencing_token holder`, with a TTL: the holder may move orders of this sale into the
   * ledger.
   */
  readonly lease: string;
  /** Counter: the last fencing token. */
  readonly fence: string;
  /** String with a short TTL: another process waits for the lease. */
  readonly leaseWaiting: string;
  /** Hash: the owners of a rebuild in progress. */
  readonly building: string;
  /** Channel on which settled batches are published, for waiting polls. */
  readonly settled: string;
  /**
   * Hash: `history_id drawn late late_seen version gate calls may_return entered_rank`: the waiting
   * room.
   */
  readonly room: string;
  /** String: a bit for each slot of early places, set if a shopper has a place in it. */
  readonly roomEarly: string;
  /** String: a bit for each group of shoppers, set if one of them has joined late. */
  readonly roomLate: string;
  /** String: the early places that a load adds. */
  readonly roomLoading: string;
  /**
   * Sorted sets with a TTL, user → when the pass ends, ms: called shoppers who have asked for a
   * seckill token, and those of them who have bought since.
   */
  readonly roomEntered: string;
  readonly roomBought: string;
  /** Channel on which a change of the gate is published. */
  readonly roomChanged: string;
}

/** Builds every name that the service uses in Redis. No other file builds keys. */
export class Keys {
  readonly #root: string;

  constructor(prefix: string) {
    this.#root = `${prefix}${LAYOUT}:`;
  }

  sale(sale: SaleRef): SaleKeys {
    const at = (part: string): string => `${this.#root}sale:{${sale.shard}}:${sale.id}:${part}`;
    return {
      state: at('state'),
      pause: at('pause'),
      owners: at('owners'),
      batches: at('batches'),
      batchTimes: at('batch_times'),
      liveTokens: at('live_tokens'),
      outcomes: at('outcomes'),
      lease: at('lease'),
      fence: at('fence'),
      leaseWaiting: at('lease_waiting'),
      building: at('building'),
      settled: at('settled'),
      room: at('room'),
      roomEarly: at('room_early'),
      roomLate: at('room_late'),
      roomLoading: at('room_loading'),
      roomEntered: at('room_entered'),
      roomBought: at('room_bought'),
      roomChanged: at('room_changed'),
    };
  }

  /**
   * Hashes with a TTL, user → `expires_ms token`: one for each time window in turn. The buy that
   * consumes a seckill token deletes it.
   */
  seckillTokens(sale: SaleRef): string[] {
    return [0, 1, 2].map((turn) => `${this.#root}tokens:{${sale.shard}}:${sale.id}:${turn}`);
  }

  /**
   * Hashes with a TTL, a number for each shopper → the late place, or `e` for an early one: the
   * last joins of the waiting room, one hash for each time window in turn.
   */
  roomJoined(sale: SaleRef): string[] {
    return [0, 1, 2].map((turn) => `${this.#root}joined:{${sale.shard}}:${sale.id}:${turn}`);
  }

  /** String with a TTL: this challenge was used for a seckill token. */
  challenge(shard: number, id: string): string {
    return `${this.#root}challenge:{${shard}}:${id}`;
  }

  /**
   * String with a TTL: `history admitted_ms price_cents` and a line for each order of the batch
   * that is in the ledger, for pollers.
   */
  settledBatch(sale: SaleRef, batchNo: string): string {
    return `${this.#root}settled:{${sale.shard}}:${sale.id}:${batchNo}`;
  }

  /**
   * String with a TTL: the order has changed since it was written; only the ledger has its status.
   */
  changedOrder(sale: SaleRef, orderNo: string): string {
    return `${this.#root}changed:{${sale.shard}}:${orderNo}`;
  }

  /** Counter: the waiting orders of all the shard's sales. Scripts change it together with them. */
  backlog(shard: number): string {
    return `${this.#root}backlog:{${shard}}`;
  }

  /**
   * Sorted set: the sales with batches, by the admission time of their oldest one, ms. Scripts
   * change it together with the batches.
   */
  outbox(shard: number): string {
    return `${this.#root}outbox:{${shard}}`;
  }

  /**
   * Set: the sales that a rebuild or a change has stopped. Scripts change it together with the
   * sale's state.
   */
  stopped(shard: number): string {
    return `${this.#root}stopped:{${shard}}`;
  }

  /** String: a random mark. If it is gone, this Redis was emptied. */
  mark(shard: number): string {
    return `${this.#root}mark:{${shard}}`;
  }

  /** String: the name of the ledger that the shard's keys belong to. */
  ledger(shard: number): string {
    return `${this.#root}ledger:{${shard}}`;
  }

  /**
   * Hashes with a TTL, user → when the shopper's bucket is full again, µs: one for each time window
   * in turn. They are neither in the log nor on a replica.
   */
  userBuckets(shard: number): string[] {
    return [0, 1, 2].map((turn) => `${this.#root}bucket:{${shard}}:users:${turn}`);
  }

  /** String with a TTL: when the shard's share of the global bucket is full again, µs. */
  globalBucket(shard: number): string {
    return `${this.#root}bucket:{${shard}}:global`;
  }

  /** String with a TTL: an api process sheds load now. */
  shedding(shard: number): string {
    return `${this.#root}shedding:{${shard}}`;
  }

  /** Prefix of BullMQ's keys for a shard's queue. */
  queuePrefix(shard: number): string {
    return `${this.#root}queue:{${shard}}`;
  }

  /**
   * Prefix of the keys with which a starting process tests its rights. They are deleted at once.
   */
  startCheck(shard: number, name: string): string {
    return `${this.#root}check:{${shard}}:${name}`;
  }

  /** String with a TTL: the orders that one download may have, as JSON. */
  download(id: string): string {
    return `${this.#root}download:{0}:${id}`;
  }

  /** Hash with a TTL: the processes that live, by name: `seen_ms` and what each says of itself. */
  processes(): string {
    return `${this.#root}processes:{0}`;
  }

  /** String with a TTL: the worker process that runs this service of the shard now. */
  service(shard: number, name: string): string {
    return `${this.#root}service:{${shard}}:${name}`;
  }
}
