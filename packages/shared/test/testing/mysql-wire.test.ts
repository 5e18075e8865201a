import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { createConnection } from 'mysql2/promise';
import { describe, expect, inject, test } from 'vitest';
import { queryIn } from '../../testing/mysql-wire.ts';

const QUERY_ATTRIBUTES = 1 << 27;
const OTHER_FLAGS = 0xf7_ff_ff_ff;

function latin1(...parts: (string | readonly number[] | Buffer)[]): string {
  return Buffer.concat(parts.map((part) => Buffer.from(part as string))).toString('latin1');
}

function flags(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

/** The packet with which a server begins: Protocol::HandshakeV10. */
function greeting(version: string, announced: number): string {
  const bytes = flags(announced);
  const scramble = Buffer.alloc(8, 0x61);
  const rest = [[0], bytes.subarray(0, 2), [255, 2, 0], bytes.subarray(2), [21], Buffer.alloc(10), 'abcdefghijkl\0'];
  return latin1([90, 0, 0, 0, 10], `${version}\0`, [1, 2, 3, 4], scramble, ...rest, 'caching_sha2_password\0');
}

const response = (announced: number): string => latin1([60, 0, 0, 1], flags(announced), Buffer.alloc(28), 'shop\0');

const query = (...text: (string | readonly number[])[]): string => latin1([9, 0, 0, 0, 3], ...text);

const BOTH = { greeting: greeting('9.7.4', -1), response: response(-1) };

describe('the query in what a client sends', () => {
  test.each([
    ['the server', greeting('11.8.6-MariaDB-log', OTHER_FLAGS), response(-1)],
    ['the client', greeting('9.7.4', -1), response(OTHER_FLAGS)],
  ])('comes right after the command if %s does not know query attributes', (_who, server, client) => {
    expect(queryIn({ greeting: server, response: client }, query('commit'))).toBe('commit');
  });

  test('comes after two more bytes if both know them: no COMMIT was ever found on MySQL', () => {
    const handshake = { greeting: greeting('8.0.36', QUERY_ATTRIBUTES), response: response(QUERY_ATTRIBUTES) };
    expect(queryIn(handshake, query([0, 1], 'commit'))).toBe('commit');
  });

  test('is not read from another command or from the login, whatever they carry', () => {
    expect(queryIn(BOTH, latin1([9, 0, 0, 0, 22], [0, 1], 'commit'))).toBe('');
    expect(queryIn(BOTH, latin1([9, 0, 0, 3, 3], 'a password, scrambled'))).toBe('');
    expect(queryIn(BOTH, '')).toBe('');
  });

  test('is refused if it has attributes, not missed', () => {
    expect(() => queryIn(BOTH, query([1, 1], 'commit'))).toThrow('attributes');
  });
});

test('every query of the driver is found, on the server of this run', async () => {
  const { DB_HOST, DB_PORT, DB_USER: user, DB_PASSWORD: password } = inject('servers');
  const begun = { greeting: '', response: '' };
  const queries: string[] = [];
  const tap = createServer((client) => {
    const server = connect(Number(DB_PORT), DB_HOST);
    server.on('data', (chunk) => {
      begun.greeting ||= chunk.toString('latin1');
      client.write(chunk);
    });
    client.on('data', (chunk) => {
      const text = chunk.toString('latin1');
      if (begun.response === '') begun.response = text;
      else queries.push(queryIn(begun, text));
      server.write(chunk);
    });
    client.on('close', () => server.destroy());
  }).listen(0, '127.0.0.1');
  await once(tap, 'listening');
  const { port } = tap.address() as AddressInfo;
  const connection = await createConnection({ host: '127.0.0.1', port, user, password });
  for (const text of ['begin', "SELECT 'é', ?", 'commit']) await connection.query(text, [1]);
  await connection.end();
  tap.close();
  // The rest is the end of the login.
  expect(queries.filter((text) => text !== '')).toEqual(['begin', latin1("SELECT 'é', 1"), 'commit']);
});
