import type { Commands } from '@flash-sale/shared/commands.ts';
import type { OrderInRedis } from '@flash-sale/shared/order/order-commands.ts';
import type { SaleRef } from '@flash-sale/shared/sale/sale.ts';

/** Maximum number of orders in one read. */
const READ_MAX = 100;

interface WaitingRead {
  readonly orderNo: string;
  readonly resolve: (found: OrderInRedis) => void;
  readonly reject: (error: unknown) => void;
}

/** The reads of one sale: the waiting ones, and whether a call is in flight. */
interface Line {
  readonly sale: SaleRef;
  readonly waiting: WaitingRead[];
  isCalling: boolean;
}

/**
 * Reads orders of a sale together: polls that arrive while a read is in flight go together in the
 * next one, as buys do. So no read begins before its poll has arrived.
 */
export class OrderReads {
  readonly #commands: Commands;
  readonly #lines = new Map<number, Line>();

  constructor(commands: Commands) {
    this.#commands = commands;
  }

  read(sale: SaleRef, orderNo: string): Promise<OrderInRedis> {
    let line = this.#lines.get(sale.id);
    if (line === undefined) {
      line = { sale, waiting: [], isCalling: false };
      this.#lines.set(sale.id, line);
    }
    const { promise, resolve, reject } = Promise.withResolvers<OrderInRedis>();
    line.waiting.push({ orderNo, resolve, reject });
    if (!line.isCalling) void this.#send(line);
    return promise;
  }

  async #send(line: Line): Promise<void> {
    line.isCalling = true;
    while (line.waiting.length > 0) {
      const reads = line.waiting.splice(0, READ_MAX);
      try {
        const found = await this.#commands.readOrders(
          line.sale,
          reads.map(({ orderNo }) => orderNo),
        );
        for (const [i, { resolve }] of reads.entries()) resolve(found[i]!);
      } catch (error) {
        for (const { reject } of reads) reject(error);
      }
    }
    this.#lines.delete(line.sale.id);
  }
}
