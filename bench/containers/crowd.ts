import { buyUnit, createClient, Refused, settledOrder, type ShopperClient } from '@flash-sale/web/client';
import { accessToken } from '../fuzz/credentials.ts';
import { inParallel } from '../load/client.ts';

const AT_ONCE = 10;

/** Shoppers with access tokens, who try as long as the service asks them to. */
export class Crowd {
  readonly #url: string;
  readonly #sale: number;
  readonly #secret: string;
  /** The orders of those who bought. */
  readonly #orders: { readonly orderNo: string; readonly client: ShopperClient }[] = [];
  #size = 0;

  /** @param secret the one that signs access tokens */
  constructor(url: string, sale: number, secret: string) {
    this.#url = url;
    this.#sale = sale;
    this.#secret = secret;
  }

  /** How many shoppers have come. */
  get size(): number {
    return this.#size;
  }

  get bought(): number {
    return this.#orders.length;
  }

  get orderNos(): ReadonlySet<string> {
    return new Set(this.#orders.map(({ orderNo }) => orderNo));
  }

  /** Sends this many more shoppers, who come and buy. */
  async buy(count: number): Promise<{ bought: number; soldOut: number; waits: number }> {
    const result = { bought: 0, soldOut: 0, waits: 0 };
    const first = this.#size;
    this.#size += count;
    await inParallel(count, AT_ONCE, async (index) => {
      const token = accessToken(`shopper-${first + index}`, this.#secret);
      const client = createClient({ url: this.#url, accessToken: () => token });
      try {
        const order = await buyUnit(client, this.#sale, { onWait: () => (result.waits += 1) });
        this.#orders.push({ orderNo: order.order_no, client });
        result.bought += 1;
      } catch (error) {
        if (!(error instanceof Refused) || error.code !== 'sold_out') throw error;
        result.soldOut += 1;
      }
    });
    return result;
  }

  /** The statuses that the orders have. */
  async statuses(): Promise<ReadonlySet<string>> {
    const statuses = new Set<string>();
    await inParallel(this.#orders.length, AT_ONCE, async (index) => {
      const { client, orderNo } = this.#orders[index]!;
      statuses.add((await settledOrder(client, orderNo)).status);
    });
    return statuses;
  }
}
