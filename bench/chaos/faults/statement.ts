import { queryIn } from '@flash-sale/shared/testing/mysql-wire.ts';
import type { Passing } from '../proxy.ts';

/**
 * The SQL that a client sends to MySQL, in lower case, or an empty text. For a statement longer
 * than a chunk, this is its beginning.
 */
export function statementOf({ greeting, opening, text }: Passing): string {
  return queryIn({ greeting, response: opening }, text).trimStart().toLowerCase();
}

/** Matches statements by their beginning. */
export const says =
  (beginning: string) =>
  (passing: Passing): boolean =>
    statementOf(passing).startsWith(beginning);

export const insertsOrders = says('insert into orders ');

/** Moves existing orders: a payment, a cancel, an expiry, a refund. */
export const movesOrders = says('update orders force index (primary)');

/** Records what a payment provider has said. */
export const recordsPayments = says('insert into `payment_events`');

/** Marks units as given back. */
export const marksReturns = says('update stock_returns force index (primary)');

/**
 * A writer's first statement on a sale's row: the stamp of its lease in its first transaction, a
 * locking read with its fencing token later.
 */
const BEGINS_WRITING =
  /^update `products` set `fence` = |^select .* from `products` where .*`fence` = \d+ for update$/s;

/**
 * Matches the first statement on the sale's row in a writer's transaction, before the server has
 * received it.
 */
export function startsWriting(): (passing: Passing) => boolean {
  const open = new Set<number>();
  return (passing) => {
    const statement = statementOf(passing);
    if (/^(begin|start transaction)$/.test(statement)) open.add(passing.connection);
    if (/^(commit|rollback)$/.test(statement)) open.delete(passing.connection);
    return open.has(passing.connection) && BEGINS_WRITING.test(statement);
  };
}

/** Reads the live orders of a sale, as a rebuild does in its snapshot. */
export const readsOwners =
  (sale: number) =>
  (passing: Passing): boolean =>
    /^select .* from `orders` where `product_id` = (\d+) and `live` = 1/s.exec(statementOf(passing))?.[1] ===
    String(sale);

/** Matches the COMMIT of a transaction that `begins` recognises by an earlier statement. */
export function commitAfter(begins: (passing: Passing) => boolean): (passing: Passing) => boolean {
  const open = new Set<number>();
  return (passing) => {
    if (begins(passing)) open.add(passing.connection);
    return statementOf(passing) === 'commit' && open.delete(passing.connection);
  };
}
