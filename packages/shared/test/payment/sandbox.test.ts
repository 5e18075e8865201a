import { createHmac } from 'node:crypto';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Payment, PaymentEvent } from '../../src/payment/payment.ts';
import type { PaymentProvider, SandboxBehaviour } from '../../src/payment/provider.ts';
import { createSandbox } from '../../src/payment/sandbox.ts';

const SECRET = 'a-secret-of-the-sandbox';
const PAYMENT: Payment = {
  paymentId: 'pay_1',
  orderNo: '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-17',
  productId: 17,
  provider: 'sandbox',
  providerRef: null,
  url: null,
  status: 'started',
  amountCents: 1_999,
  currency: 'CNY',
  keyNo: 1,
};

/** Webhooks as they came over HTTP, and the status that each is answered with. */
let received: { readonly body: Buffer; readonly headers: IncomingHttpHeaders }[] = [];
let answers: number[] = [];
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    received.push({ body: Buffer.concat(chunks), headers: request.headers });
    response.writeHead(answers.shift() ?? 200).end();
  });
});
let sandbox: PaymentProvider;
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const publicUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  sandbox = createSandbox({ secret: SECRET, publicUrl, log: pino({ level: 'silent' }) });
});
afterAll(() => new Promise((resolve) => server.close(resolve)));
beforeEach(() => {
  received = [];
  answers = [];
});

const header = (signature: string): IncomingHttpHeaders => ({ 'x-sandbox-signature': signature });
const sign = (body: string, timeMs = Date.now(), secret = SECRET): IncomingHttpHeaders =>
  header(`${timeMs}.${createHmac('sha256', secret).update(`sandbox ${timeMs}.${body}`).digest('hex')}`);
const verify = (body: string, headers: IncomingHttpHeaders) => sandbox.verifyWebhook(Buffer.from(body), headers);
const EVENT = JSON.stringify({ event_id: 'e1', payment_id: 'pay_1', kind: 'succeeded' });

/** The events that came, by the provider's own check of their signatures. */
const eventsReceived = (): Promise<(PaymentEvent | undefined)[]> =>
  Promise.all(
    received.map(async ({ body, headers }) => {
      const webhook = await sandbox.verifyWebhook(body, headers);
      return 'event' in webhook ? webhook.event : undefined;
    }),
  );

describe('asked to', () => {
  const KINDS: Readonly<Record<Exclude<SandboxBehaviour, 'never'>, readonly PaymentEvent['kind'][]>> = {
    pay: ['succeeded'],
    late: ['succeeded'],
    decline: ['declined'],
    twice: ['succeeded', 'succeeded'],
    out_of_order: ['succeeded', 'declined'],
  };
  test.each(Object.entries(KINDS))('%s, it sends %j over HTTP, signed', async (behaviour, kinds) => {
    const { url, providerRef } = await sandbox.start(PAYMENT, behaviour as SandboxBehaviour);
    expect({ url, providerRef }).toEqual({
      url: expect.stringMatching(new RegExp(`/api/v1/orders/${PAYMENT.orderNo}$`)),
      providerRef: 'sandbox-pay_1',
    });
    await vi.waitFor(() => expect(received).toHaveLength(kinds.length), { timeout: 10_000 });
    const events = await eventsReceived();
    expect(events.map((event) => event?.kind)).toEqual(kinds);
    const price = { amount: 1_999, currency: 'CNY' };
    expect(events.map((event) => event?.received)).toEqual(
      kinds.map((kind) => (kind === 'succeeded' ? price : undefined)),
    );
    expect(events.every((event) => event?.paymentId === 'pay_1')).toBe(true);
    // Twice is the very same event.
    expect(new Set(events.map((event) => event?.eventId)).size).toBe(behaviour === 'twice' ? 1 : kinds.length);
  });

  test('refund, it sends one event, however often it is asked', async () => {
    expect(await sandbox.refund(PAYMENT)).toEqual({ now: 'waiting' });
    await sandbox.refund(PAYMENT);
    await vi.waitFor(() => expect(received).toHaveLength(2));
    const [event] = await eventsReceived();
    expect(event).toEqual({ eventId: 'refund-pay_1-1', paymentId: 'pay_1', kind: 'refunded' });
    expect(await eventsReceived()).toEqual([event, event]);
  });
});

test('a webhook that is not accepted is sent again, as a real provider does', async () => {
  answers = [503, 409];
  await sandbox.start(PAYMENT, 'pay');
  await vi.waitFor(() => expect(received).toHaveLength(3), { timeout: 10_000 });
  expect(new Set((await eventsReceived()).map((event) => event?.eventId)).size).toBe(1);
});

test('a webhook that is not answered is sent again', async () => {
  let calls = 0;
  const silent = createServer((_request, response) => {
    calls += 1;
    if (calls > 1) response.end();
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const publicUrl = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const log = pino({ level: 'silent' });
  await createSandbox({ secret: SECRET, publicUrl, answerTimeoutMs: 100, log }).refund(PAYMENT);
  await vi.waitFor(() => expect(calls).toBe(2), { timeout: 10_000 });
  silent.closeAllConnections();
  await new Promise((resolve) => silent.close(resolve));
});

test('a refund ends although its webhook cannot be delivered', async () => {
  const log = pino({ level: 'silent' });
  const unreachable = createSandbox({ secret: SECRET, publicUrl: 'http://127.0.0.1:1', log });
  expect(await unreachable.refund(PAYMENT)).toEqual({ now: 'waiting' });
});

describe('a webhook', () => {
  test('with the sandbox’s signature is an event', async () => {
    expect(await verify(EVENT, sign(EVENT))).toEqual({
      event: { eventId: 'e1', paymentId: 'pay_1', kind: 'succeeded' },
    });
  });

  test.each([
    ['no signature', {}],
    ['an empty one', header('')],
    ['text of the same length', header('é'.repeat(78))],
    ['text that is no signature', header('not a signature')],
    ['another secret', sign(EVENT, Date.now(), 'another secret')],
    ['a signature of another body', sign(`${EVENT} `)],
    ['a signature without a time', header(`.${'0'.repeat(64)}`)],
    ['a signature of ten minutes ago', sign(EVENT, Date.now() - 600_000)],
    ['a signature of tomorrow', sign(EVENT, Date.now() + 86_400_000)],
  ])('with %s is refused as forged or replayed', async (_name, headers) => {
    await expect(verify(EVENT, headers)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  test('whose signature has the right length but other bytes is refused as forged, without an error', async () => {
    const { 'x-sandbox-signature': right } = sign(EVENT);
    const wrong = `${String(right).slice(0, -1)}é`;
    await expect(verify(EVENT, header(wrong))).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  test.each([
    ['', 'unreadable'],
    ['null', 'unreadable'],
    ['{', 'unreadable'],
    ['[]', 'unreadable'],
    ['{}', 'unreadable'],
    [JSON.stringify({ event_id: 7, payment_id: 'pay_1', kind: 'succeeded' }), 'unreadable'],
    [JSON.stringify({ event_id: 'e'.repeat(256), payment_id: 'pay_1', kind: 'succeeded' }), 'unreadable'],
    [JSON.stringify({ event_id: 'é', payment_id: 'pay_1', kind: 'succeeded' }), 'unreadable'],
    [JSON.stringify({ event_id: 'e1', payment_id: `pay_${'1'.repeat(40)}`, kind: 'succeeded' }), 'unreadable'],
    [JSON.stringify({ event_id: 'e1', payment_id: 'ü', kind: 'succeeded' }), 'unreadable'],
    [JSON.stringify({ event_id: 'e1', payment_id: 'pay_1', kind: 'stolen' }), 'other_kind'],
    [JSON.stringify({ event_id: 'e1', kind: 'succeeded' }), 'not_ours'],
  ])('that is signed is never refused, since the provider would repeat it forever: %s is %s', async (body, ignored) => {
    expect(await verify(body, sign(body))).toEqual({ ignored });
  });
});
