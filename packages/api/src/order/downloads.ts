import { randomBytes } from 'node:crypto';
import type { OrderFilter } from '@flash-sale/shared/order/order-list-table.ts';
import type { AppDeps } from '../deps.ts';

export const DOWNLOAD_ID_PATTERN = '^[\\w-]{32}$';
const ID_BYTES = 24;
const LIFE_MS = 60_000;

/**
 * Downloads by a browser, which cannot send an operator token with an address. The random id of a
 * download stands for one list of orders and is used up by the first call, so an address in a log
 * or in the history of a browser is worth nothing. Any api process may serve it.
 */
export class Downloads {
  readonly #deps: Pick<AppDeps, 'operatorRedis' | 'keys'>;

  constructor(deps: Pick<AppDeps, 'operatorRedis' | 'keys'>) {
    this.#deps = deps;
  }

  async open(filter: OrderFilter): Promise<{ readonly id: string; readonly expiresMs: number }> {
    const { operatorRedis, keys } = this.#deps;
    const id = randomBytes(ID_BYTES).toString('base64url');
    await operatorRedis.set(keys.download(id), JSON.stringify(filter), 'PX', LIFE_MS);
    return { id, expiresMs: Date.now() + LIFE_MS };
  }

  /** The orders of a download; undefined if it was used before or is too old. */
  async use(id: string): Promise<OrderFilter | undefined> {
    const { operatorRedis, keys } = this.#deps;
    const text = await operatorRedis.getdel(keys.download(id));
    return text === null ? undefined : (JSON.parse(text) as OrderFilter);
  }
}
