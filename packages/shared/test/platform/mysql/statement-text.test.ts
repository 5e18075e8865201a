import { createConnection, type Connection, type RowDataPacket } from 'mysql2/promise';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isDbOutage, isRejectedByMysql } from '../../../src/platform/mysql/errors.ts';
import { statementText, UnsendableValue } from '../../../src/platform/mysql/statement-text.ts';
import { openTestContext, type TestContext } from '../../../testing/support.ts';

let context: TestContext;
let connection: Connection;
beforeAll(async () => {
  context = await openTestContext();
  const { DB_HOST: host, DB_PORT: port, DB_USER: user, DB_PASSWORD: password, DB_NAME: database } = context.config;
  // With the formatter alone, so that what it writes is read under the settings of each test.
  connection = await createConnection({ host, port, user, password, database, queryFormat: statementText });
  await connection.query('SET NAMES utf8mb4');
});
afterAll(async () => {
  await connection.end();
  await context.close();
});

/**
 * Texts that end a literal, a statement or a comment somewhere, or are mangled by some character
 * set.
 */
const HOSTILE = [
  "o'brien",
  "',0x70616964,1,1,NULL,NOW(),NOW(),NOW(),NULL)#",
  "'OR/**/1=1#",
  '\\',
  "\\'",
  "\\' OR 1=1 -- ",
  '"OR""="',
  '`',
  '?',
  '??',
  '%_',
  '/*! 1 */',
  'a\u0000b\r\n\u001a\tc',
  'jürgen',
  '🍀',
  // The second byte of a character in Shift JIS, GBK or Big5 may be a backslash.
  '表\\',
  '',
  ' ',
];

const MODES = [
  '',
  'NO_BACKSLASH_ESCAPES',
  'ANSI_QUOTES',
  'NO_BACKSLASH_ESCAPES,ANSI_QUOTES,PIPES_AS_CONCAT,IGNORE_SPACE',
  'TRADITIONAL',
];

describe.each(MODES)('under sql_mode %j', (mode) => {
  beforeAll(() => connection.query(`SET SESSION sql_mode = '${mode}'`));

  test.each(HOSTILE)('the text %j arrives unchanged, alone and in a row', async (value) => {
    const [alone] = await connection.query<RowDataPacket[]>('SELECT ? AS text, 1 AS rest', [value]);
    expect(alone).toEqual([{ text: value, rest: 1 }]);
    const [listed] = await connection.query<RowDataPacket[]>('SELECT 1 AS found WHERE ? IN (?)', [value, ['x', value]]);
    expect(listed).toEqual([{ found: 1 }]);
  });

  test.each(['latin1', 'utf8mb4', 'sjis', 'gbk'])('and the client’s character set %s', async (charset) => {
    await connection.query(`SET SESSION character_set_client = ${charset}`);
    for (const value of HOSTILE) {
      const [rows] = await connection.query<RowDataPacket[]>('SELECT ? AS text, 1 AS rest', [value]);
      expect(rows).toEqual([{ text: value, rest: 1 }]);
    }
    await connection.query('SET SESSION character_set_client = utf8mb4');
  });

  test('a shopper’s id is found in VARBINARY, and other text in columns of any character set, by their indexes', async () => {
    const id = `o'brien-${MODES.indexOf(mode)}`;
    const sale = await context.insertSale({ name: `${id} \\ jürgen 🍀` });
    const insert = 'INSERT INTO deny_list (kind, value, reason, created_at) VALUES ?';
    await connection.query(insert, [[['user', id, '“jürgen” \\', new Date(0)]]]);
    const [found] = await connection.query<RowDataPacket[]>(
      'SELECT CAST(value AS CHAR) AS value, reason FROM deny_list WHERE kind = ? AND value = ? AND reason = ? AND created_at = ?',
      ['user', id, '“jürgen” \\', new Date(0)],
    );
    expect(found).toEqual([{ value: id, reason: '“jürgen” \\' }]);
    const [byName] = await connection.query<RowDataPacket[]>('SELECT id FROM products WHERE name = ?', [sale.name]);
    expect(byName).toEqual([{ id: sale.id }]);
    const [plan] = await connection.query<RowDataPacket[]>(
      'EXPLAIN FORMAT=TRADITIONAL SELECT kind FROM deny_list WHERE kind = ? AND value = ?',
      ['user', id],
    );
    expect(plan.map(({ key, rows }) => [key, Number(rows)])).toEqual([['PRIMARY', 1]]);
  });

  test('numbers, times, bytes and null arrive unchanged', async () => {
    const bytes = Buffer.from([0, 39, 92, 255]);
    const [rows] = await connection.query<RowDataPacket[]>(
      'SELECT ? AS whole, ? AS negative, CAST(? AS CHAR) AS big, ? AS yes, ? AS nothing, CAST(? AS DATETIME(3)) = ? AS time, HEX(?) AS bytes',
      [
        1_999,
        -3,
        9_007_199_254_740_993n,
        true,
        null,
        '2026-11-27 20:00:00.123',
        new Date('2026-11-27T20:00:00.123Z'),
        bytes,
      ],
    );
    expect(rows).toEqual([
      { whole: 1_999, negative: -3, big: '9007199254740993', yes: 1, nothing: null, time: 1, bytes: '00275CFF' },
    ]);
  });
});

test('a time is written with its milliseconds, in UTC, after any other time', () => {
  const times = [
    0, -1, 1_795_980_000_007, 1_795_996_799_999, 1_795_996_800_000, 253_402_300_799_999, 59_999, 3_600_000,
  ];
  for (const timeMs of [...times, ...times.toReversed()]) {
    const text = new Date(timeMs).toISOString().replace('T', ' ').replace('Z', '');
    expect(statementText('?', [new Date(timeMs)])).toBe(`'${text}'`);
  }
});

test.each<[string, string, unknown[]]>([
  ['undefined', 'SELECT ?', [undefined]],
  ['an object', 'SELECT ?', [{ toSqlString: () => '1 OR 1' }]],
  ['an object in a row', 'INSERT INTO t VALUES ?', [[[1, {}]]]],
  ['a number that is none', 'SELECT ?', [Number.NaN]],
  ['a date that is none', 'SELECT ?', [new Date(Number.NaN)]],
  ['an empty list', 'SELECT 1 IN (?)', [[]]],
  ['too few values', 'SELECT ?, ?', [1]],
  ['too many values', 'SELECT ?', [1, 2]],
])('%s is never sent, and no retry can help', (_, sql, values) => {
  let error: unknown;
  try {
    statementText(sql, values);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(UnsendableValue);
  expect({ refusal: isRejectedByMysql(error), outage: isDbOutage(error) }).toEqual({ refusal: true, outage: false });
});
