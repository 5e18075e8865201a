import { isDeepStrictEqual } from 'node:util';
import { LRUCache } from 'lru-cache';
import type { SaleWithTexts } from '@flash-sale/shared/sale/sale.ts';
import type { Db } from '@flash-sale/shared/platform/mysql/client.ts';
import { findSales, listSales } from '@flash-sale/shared/sale/products-table.ts';

/** How long an answer about products is reused: a list of sales here, a product in its route. */
export const PRODUCT_CACHE_MS = 200;
const SALES_MAX = 10_000;
const SALE_FRESH_MS = 900;
/**
 * A sale that is known is read again together with others that are due within this time: with a
 * thousand sales at once, a query for each of them cost more than the buys.
 */
const GATHER_MS = 100;
/** The maximum number of sales in one query. */
const GATHER_MAX = 100;
const LISTS_MAX = 200;
/**
 * After a failure MySQL is not asked for this time; otherwise each call would ask it again, as fast
 * as it fails.
 */
const FAILURE_KNOWN_MS = 250;

/** Stands for a known sale that does not exist any more: it is being archived, or is archived. */
const GONE = 'gone';

/** A page of the list of sales. */
export interface SalePage {
  readonly limit: number;
  /** Only sales with a lower id. */
  readonly beforeId?: number | undefined;
}

/** A query that is not sent yet, for the sales that are due. */
interface Gathering {
  readonly ids: Set<number>;
  readonly send: () => void;
  readonly sales: Promise<ReadonlyMap<number, SaleWithTexts>>;
}

/**
 * The sales in MySQL, each read about once a second at most, however many callers ask for it. A
 * sale stays in memory until MySQL reports that it is gone: while MySQL does not answer or is slow,
 * the last reading is used.
 */
export class Catalog {
  readonly #sales: LRUCache<number, SaleWithTexts | typeof GONE>;
  /**
   * Ids that no sale had, so that MySQL is not asked for each of them again and again. A sale that
   * another process creates may be unknown here for as long as it may be missing in a list.
   */
  readonly #missing = new LRUCache<number, true>({ max: SALES_MAX, ttl: PRODUCT_CACHE_MS });
  readonly #lists: LRUCache<string, readonly SaleWithTexts[]>;
  readonly #db: Db;
  #gathering: Gathering | undefined;
  #failure: { readonly error: unknown; readonly atMs: number } | undefined;

  constructor(db: Db, listFreshMs = PRODUCT_CACHE_MS) {
    this.#db = db;
    this.#sales = new LRUCache<number, SaleWithTexts | typeof GONE>({
      max: SALES_MAX,
      ttl: SALE_FRESH_MS,
      // Not `allowStaleOnFetchRejection`: without an earlier reading, it would turn a MySQL error
      // into "no such sale".
      allowStale: true,
      noDeleteOnStaleGet: true,
      noDeleteOnFetchRejection: true,
      // The cache would read `undefined` as no answer, and keep the sale.
      fetchMethod: async (id, known) =>
        (await this.#read(id, known === undefined)) ?? (known === undefined ? undefined : GONE),
    });
    this.#lists = new LRUCache<string, readonly SaleWithTexts[]>({
      max: LISTS_MAX,
      ttl: Math.max(1, listFreshMs),
      // A change clears the lists. Callers who wait for one then get it, but it is not kept.
      ignoreFetchAbort: true,
      fetchMethod: async (key, last) => {
        const [limit, before] = key.split(':');
        try {
          const beforeId = before === '' ? undefined : Number(before);
          const sales = await this.#ask(() => listSales(db, Number(limit), beforeId));
          return sales.map((sale) => this.#keep(sale));
        } catch (error) {
          if (last === undefined) throw error;
          return last;
        }
      },
    });
  }

  /** The sale, or undefined if it does not exist. */
  async sale(id: number): Promise<SaleWithTexts | undefined> {
    if (this.#missing.has(id)) return undefined;
    const entry = await this.#sales.fetch(id).catch((error: unknown) => {
      // The cache also rejects a reading if a list or a change has set the sale meanwhile.
      const kept = this.#sales.peek(id, { allowStale: true });
      if (kept === undefined) throw error;
      return kept;
    });
    if (entry === undefined) this.#missing.set(id, true);
    return saleIn(entry);
  }

  /**
   * The sale at `version` or later, which Redis has reported; an older one only if MySQL cannot be
   * read.
   */
  async saleSince(known: SaleWithTexts, version: number): Promise<SaleWithTexts> {
    if (known.version >= version) return known;
    const cached = saleIn(this.#sales.get(known.id));
    if (cached !== undefined && cached.version >= version) return cached;
    const reading = this.#sales.fetch(known.id, { forceRefresh: true, allowStale: false });
    this.#gathering?.send();
    return saleIn(await reading.catch(() => undefined)) ?? known;
  }

  /** The sale as last read; undefined if this process has not read it. Reads nothing. */
  known(id: number): SaleWithTexts | undefined {
    return saleIn(this.#sales.peek(id, { allowStale: true }));
  }

  /** Sales, newest first. */
  async list({ limit, beforeId }: SalePage): Promise<readonly SaleWithTexts[]> {
    return (await this.#lists.fetch(`${limit}:${beforeId ?? ''}`)) ?? [];
  }

  /**
   * Keeps a sale that was read in a list. If it has not changed, the reading that is kept already
   * stays, so that many lists do not keep many copies of its texts.
   */
  #keep(sale: SaleWithTexts): SaleWithTexts {
    const known = this.known(sale.id);
    this.#missing.delete(sale.id);
    const kept = isDeepStrictEqual(known, sale) ? known! : sale;
    this.#sales.set(sale.id, kept);
    return kept;
  }

  /** Reads a sale with the others that are due: at once if it is not known. */
  async #read(id: number, isNew: boolean): Promise<SaleWithTexts | undefined> {
    const { ids, send, sales } = (this.#gathering ??= this.#gather());
    ids.add(id);
    if (isNew || ids.size === GATHER_MAX) send();
    return (await sales).get(id);
  }

  #gather(): Gathering {
    const ids = new Set<number>();
    const { promise: sales, resolve } = Promise.withResolvers<ReadonlyMap<number, SaleWithTexts>>();
    const send = (): void => {
      clearTimeout(timer);
      this.#gathering = undefined;
      resolve(this.#readAll(ids));
    };
    const timer = setTimeout(send, GATHER_MS).unref();
    return { ids, send, sales };
  }

  async #readAll(ids: Iterable<number>): Promise<ReadonlyMap<number, SaleWithTexts>> {
    const sales = await this.#ask(() => findSales(this.#db, [...ids]));
    return new Map(sales.map((sale) => [sale.id, sale]));
  }

  /** Asks MySQL, or repeats a failure that is very recent. */
  async #ask<Answer>(query: () => Promise<Answer>): Promise<Answer> {
    if (this.#failure !== undefined && performance.now() - this.#failure.atMs < FAILURE_KNOWN_MS) {
      throw this.#failure.error;
    }
    try {
      const answer = await query();
      this.#failure = undefined;
      return answer;
    } catch (error) {
      this.#failure = { error, atMs: performance.now() };
      throw error;
    }
  }

  /** Applies a sale that this process has just written. */
  changed(sale: SaleWithTexts): void {
    this.#missing.delete(sale.id);
    this.#sales.set(sale.id, sale);
    this.#lists.clear();
  }

  /** Applies that this process has just deleted the sale. */
  deleted({ id }: Pick<SaleWithTexts, 'id'>): void {
    this.#sales.set(id, GONE);
    this.#lists.clear();
  }
}

function saleIn(entry: SaleWithTexts | typeof GONE | undefined): SaleWithTexts | undefined {
  return entry === GONE ? undefined : entry;
}
