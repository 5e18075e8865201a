import type { Passing } from '../proxy.ts';

/** Length of a packet (3 bytes), its sequence number (1) and the command (1), before the text of a query. */
const HEADER_BYTES = 5;

/**
 * The SQL that a client sends to MySQL, in lower case. The driver sends one statement at a time, so that one chunk begins with one; of a
 * statement that is longer than a chunk this is the beginning.
 */
export function statementOf({ text }: Passing): string {
  return text.slice(HEADER_BYTES).trimStart().toLowerCase();
}

/** Matches statements by how they begin. */
export const says =
  (beginning: string) =>
  (passing: Passing): boolean =>
    statementOf(passing).startsWith(beginning);

export const insertsOrders = says('insert into orders ');

/** How a session begins whose locks MySQL frees after its process froze: the one that orders are written in. */
const LEDGER_SESSION = ', wait_timeout = 5';

/**
 * The first statement of the writer's transactions. Moves of orders begin with the same one, in sessions of another kind.
 */
export const startsWriting = (passing: Passing): boolean =>
  says('set transaction isolation level read committed')(passing) && passing.opening.includes(LEDGER_SESSION);

/** Reads the live orders of a sale, which whoever rebuilds it does in its snapshot. */
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
