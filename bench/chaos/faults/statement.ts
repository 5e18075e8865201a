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
