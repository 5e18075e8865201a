/**
 * Reads the SQL that a client sends to MySQL or MariaDB, for a proxy between them. All texts have
 * one character for each byte (`latin1`).
 */
export interface Handshake {
  /** What the server has sent first. */
  readonly greeting: string;
  /** What the client has sent first. */
  readonly response: string;
}

/** Length of a packet (3 bytes) and its sequence number (1). */
const HEADER_BYTES = 4;
const COM_QUERY = 0x03;
/** CLIENT_QUERY_ATTRIBUTES (1 << 27), in the last of the four bytes of capability flags. */
const QUERY_ATTRIBUTES = 0x08;

/**
 * The text of the query that begins a chunk; for a query longer than the chunk, its beginning. An
 * empty text if the chunk is something else. A client sends the next command only after the answer,
 * so a chunk has at most one.
 *
 * @throws Error if the query has attributes: their values come before the text
 */
export function queryIn(handshake: Handshake, chunk: string): string {
  // A packet of the login may begin with any byte, but only a command is the first of its sequence.
  if (chunk.charCodeAt(HEADER_BYTES - 1) !== 0 || chunk.charCodeAt(HEADER_BYTES) !== COM_QUERY) return '';
  const begin = HEADER_BYTES + 1;
  if (!hasQueryAttributes(handshake)) return chunk.slice(begin);
  // The number of attributes and of attribute sets, even if a query has none.
  if (chunk.charCodeAt(begin) !== 0) throw new Error('a query with attributes cannot be read');
  return chunk.slice(begin + 2);
}

/**
 * Whether queries have attributes: MySQL 8.0.23 and later have them, MariaDB has not. A client may
 * announce them to a server that does not.
 */
function hasQueryAttributes({ greeting, response }: Handshake): boolean {
  // After the protocol version comes the version of the server, which ends with a zero byte.
  const versionEnd = greeting.indexOf('\0', HEADER_BYTES + 1);
  // Connection id, scramble and its end, lower flags, character set, status, upper flags.
  const serverFlags = greeting.charCodeAt(versionEnd + 4 + 8 + 1 + 2 + 1 + 2 + 2);
  const clientFlags = response.charCodeAt(HEADER_BYTES + 3);
  return (serverFlags & clientFlags & QUERY_ATTRIBUTES) !== 0;
}
