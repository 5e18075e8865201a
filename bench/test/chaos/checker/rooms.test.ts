import { expect, test } from 'vitest';
import { roomsAreFair } from '../../../chaos/checker/rooms.ts';
import type { Call } from '../../../chaos/history.ts';
import { SALE, soundRound } from './sound-round.ts';

const ROOM = { ...SALE, id: 18, has_room: true };
const call = (fields: Partial<Call> & Pick<Call, 'kind' | 'shopper'>, sentMs: number): Call => ({
  sale: ROOM.id,
  api: 0,
  sent_ms: sentMs,
  answered_ms: sentMs + 10,
  status: 200,
  retry_after: null,
  body: null,
  ...fields,
});
const place = (shopper: string, status: 'waiting' | 'called', number: number, sentMs: number): Call =>
  call({ kind: 'place', shopper, body: { status, place: number } }, sentMs);
const token = (shopper: string, sentMs: number, fields: Partial<Call> = {}): Call =>
  call({ kind: 'token', shopper, body: { token: 't' }, ...fields }, sentMs);
const NOT_CALLED = { status: 403, body: { code: 'not_called' } };

const foundIn = (calls: readonly Call[]): string[] => [
  ...roomsAreFair({ ...soundRound().record({}), sales: [ROOM], calls }, []),
];

test('nothing is wrong if shoppers are called in turn and then get their seckill tokens', () => {
  const calls = [
    place('dora', 'waiting', 3, 1_000),
    token('dora', 1_100, NOT_CALLED),
    place('cleo', 'called', 2, 5_000),
    place('dora', 'called', 3, 9_000),
    token('dora', 9_100),
  ];
  expect(foundIn(calls)).toEqual([]);
});

test.each([
  ['a seckill token without a call', [token('dora', 2_000)], /without being called/],
  [
    'a called shopper who waits again',
    [place('dora', 'called', 3, 1_000), place('dora', 'waiting', 3, 9_000)],
    /waits again/,
  ],
  [
    'a called shopper who is sent back',
    [place('dora', 'called', 3, 1_000), token('dora', 2_000, NOT_CALLED)],
    /sent back/,
  ],
  [
    'a shopper who waits before one who is called',
    [place('cleo', 'called', 5, 1_000), place('dora', 'waiting', 3, 9_000)],
    /but 5 was called/,
  ],
] as const)('%s is found', (_, calls, evidence) => {
  expect(foundIn(calls).join()).toMatch(evidence);
});
