import type { FinalReading, LedgerOrder, RoundRecord, SaleFacts, Strike } from '../../../chaos/checker/record.ts';
import type { Call } from '../../../chaos/history.ts';

export const SALE: SaleFacts = {
  id: 17,
  units: 2,
  units_per_shopper: 1,
  price_cents: 1_999,
  start_ms: 1_000,
  end_ms: 9_000,
  sellsOut: true,
};

/** `alice` and `bob` buy the two units, `carol` comes too late; alice clicks twice and polls. */
export function soundRound(): {
  calls: Call[];
  final: FinalReading;
  record: (changes?: Partial<RoundRecord>) => RoundRecord;
} {
  const calls = [
    buy('alice', 2_000, accepted('A')),
    buy('alice', 2_010, accepted('A', true)),
    buy('bob', 2_100, accepted('B')),
    buy('carol', 2_200, soldOut()),
    poll('A', 2_300, { user_id: 'alice', status: 'queued' }),
    poll('A', 2_400, { user_id: 'alice', status: 'pending_payment' }),
    poll('B', 2_400, { user_id: 'bob', status: 'pending_payment' }),
  ];
  const final: FinalReading = {
    sale: 17,
    orders: [order('A', 'alice', 2_000), order('B', 'bob', 2_100)],
    began_ms: 8_000,
    returns: [],
    moves: [],
    payments: [],
    sold: 2,
    ready: true,
    available: 0,
    owners: new Map([
      ['alice', 'A'],
      ['bob', 'B'],
    ]),
    reservations: new Set(),
  };
  const record = (changes: Partial<RoundRecord> = {}): RoundRecord => ({
    sales: [SALE],
    calls,
    samples: [sample(2_050, 1, 1), sample(2_150, 0, 2)],
    ledgerSamples: [
      { at_ms: 2_050, sale: 17, live: 0, sold: 0, fence: 1 },
      { at_ms: 2_350, sale: 17, live: 2, sold: 2, fence: 2 },
    ],
    paymentSightings: [],
    finals: [final],
    strikes: [],
    refusedShoppers: new Set(),
    crashes: [],
    drained: true,
    ...changes,
  });
  return { calls, final, record };
}

type Answer = Pick<Call, 'status' | 'body' | 'retry_after'>;

export const accepted = (orderNo: string, replayed = false): Answer => ({
  status: 202,
  body: { order_no: orderNo, status: 'queued', quantity: 1, ...(replayed ? { replayed } : {}) },
  retry_after: '1',
});
export const refused = (status: number, code: string, retryAfter: string | null = null): Answer => ({
  status,
  body: { code },
  retry_after: retryAfter,
});
export const soldOut = (available = 0): Answer => ({
  status: 409,
  body: { code: 'sold_out', available },
  retry_after: null,
});
export const lost: Answer = { status: null, body: null, retry_after: null };

export const buy = (shopper: string, atMs: number, answer: Answer, token = `token-of-${shopper}`): Call => ({
  kind: 'buy',
  shopper,
  sale: 17,
  api: 0,
  token,
  quantity: 1,
  sent_ms: atMs,
  answered_ms: atMs + 5,
  ...answer,
});
export const poll = (orderNo: string, atMs: number, body: Record<string, unknown> | null): Call => ({
  kind: 'poll',
  shopper: '',
  sale: 17,
  api: 0,
  order_no: orderNo,
  sent_ms: atMs,
  answered_ms: atMs + 5,
  ...(body === null
    ? refused(404, 'not_found')
    : {
        status: 200,
        retry_after: null,
        body: { order_no: orderNo, price: 19.99, quantity: 1, total: 19.99, ...body },
      }),
});
export const order = (
  orderNo: string,
  userId: string,
  createdAtMs: number,
  status = 'pending_payment',
): LedgerOrder => ({
  order_no: orderNo,
  user_id: userId,
  status,
  price_cents: 1_999,
  quantity: 1,
  created_at_ms: createdAtMs,
});
export const returned = (orderNo: string, appliedMs: number | null = 2_600) => ({
  order_no: orderNo,
  created_ms: 2_500,
  applied_ms: appliedMs,
});
export const sample = (atMs: number, available: number, held: number, historyId = 'r1') => ({
  at_ms: atMs,
  sale: 17,
  ready: true,
  history_id: historyId,
  available,
  held,
  batches: 0,
});
export const strike = (changes: Partial<Strike> = {}): Strike => ({
  fault: 'redis_killed',
  struck_ms: 2_500,
  healed_ms: 3_000,
  recovery_ms: 400,
  standstills: [],
  buys_in_flight: 3,
  units_left: 1,
  losesRedisData: false,
  ...changes,
});
