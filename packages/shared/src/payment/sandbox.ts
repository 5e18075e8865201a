import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Refusal } from '../platform/errors.ts';
import type { Money, PaymentEvent } from './payment.ts';
import type { Logger } from '../platform/telemetry/logger.ts';
import type { PaymentProvider, SandboxBehaviour } from './provider.ts';

const SIGNATURE_HEADER = 'x-sandbox-signature';
/** How long a signature is valid, so that a recorded webhook cannot be replayed later. */
const SIGNATURE_LIFE_MS = 300_000;
const SOON_MS = 200;
const LATE_MS = 3_000;
const TRIES_MAX = 10;
/** If the API takes longer, the webhook is sent again later. */
const ANSWER_TIMEOUT_MS = 5_000;

type Event = Pick<PaymentEvent, 'eventId' | 'kind' | 'received'>;

export interface SandboxOptions {
  /** The secret that signs webhooks. All processes share it. */
  readonly secret: string;
  /** The URL of the API. Read when it is needed. */
  readonly publicUrl: string;
  /** Tests set it lower. */
  readonly answerTimeoutMs?: number;
  readonly log: Logger;
}

/**
 * A provider without real money, to try out the service. It behaves as requested, and sends the
 * same signed webhooks over HTTP as a real one.
 */
export function createSandbox(options: SandboxOptions): PaymentProvider {
  const { secret, log, answerTimeoutMs = ANSWER_TIMEOUT_MS } = options;
  async function send(paymentId: string, event: Event, afterMs: number): Promise<void> {
    await delay(afterMs, undefined, { ref: false });
    const { eventId, kind, received } = event;
    const body = JSON.stringify({ event_id: eventId, payment_id: paymentId, kind, received });
    for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
      try {
        const response = await fetch(`${options.publicUrl}/api/v1/payments/webhook/sandbox`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', [SIGNATURE_HEADER]: sign(secret, body, Date.now()) },
          body,
          signal: AbortSignal.timeout(answerTimeoutMs),
        });
        // Without this the connection stays in use.
        await response.body?.cancel();
        if (response.ok) return;
      } catch (error) {
        log.debug({ err: error, payment_id: paymentId }, 'could not deliver a sandbox webhook');
      }
      // Retry with growing delays, as a real provider does.
      await delay(SOON_MS * 2 ** tries, undefined, { ref: false });
    }
    log.warn({ payment_id: paymentId, event_id: eventId, kind, received }, 'sandbox gave up on a webhook');
  }

  /** The events to send, each with its delay. */
  function eventsOf(behaviour: SandboxBehaviour, received: Money): readonly (readonly [Event, number])[] {
    const succeeded: Event = { eventId: randomUUID(), kind: 'succeeded', received };
    const declined: Event = { eventId: randomUUID(), kind: 'declined' };
    const events: Record<SandboxBehaviour, readonly (readonly [Event, number])[]> = {
      pay: [[succeeded, SOON_MS]],
      decline: [[declined, SOON_MS]],
      late: [[succeeded, LATE_MS]],
      twice: [
        [succeeded, SOON_MS],
        [succeeded, 2 * SOON_MS],
      ],
      out_of_order: [
        [succeeded, SOON_MS],
        [declined, 2 * SOON_MS],
      ],
      never: [],
    };
    return events[behaviour];
  }

  return {
    name: 'sandbox',
    minimumCents: () => 1,
    start(payment, behaviour = 'pay') {
      const price = { amount: payment.amountCents, currency: payment.currency };
      for (const [next, afterMs] of eventsOf(behaviour, price)) void send(payment.paymentId, next, afterMs);
      const url = `${options.publicUrl}/api/v1/orders/${payment.orderNo}`;
      return Promise.resolve({ providerRef: `sandbox-${payment.paymentId}`, url });
    },
    async verifyWebhook(body, headers) {
      const text = body.toString();
      const given = Buffer.from(String(headers[SIGNATURE_HEADER]));
      const signedMs = Number.parseInt(given.toString(), 10);
      const expected = Buffer.from(sign(secret, text, signedMs));
      const matches = given.length === expected.length && timingSafeEqual(given, expected);
      if (!matches || Math.abs(Date.now() - signedMs) > SIGNATURE_LIFE_MS) throw new Refusal('unauthenticated');
      // A schema library is half of the modules of a worker, which receives no webhook.
      const { webhookOf } = await import('./sandbox-webhook.ts');
      return webhookOf(text);
    },
    // The sandbox stores nothing about a payment: it reports results by webhook only.
    read: () => Promise.resolve({ now: 'open' }),
    refund({ paymentId, keyNo }) {
      // One event id per refund, however often it is requested. Nothing waits for the webhook: if
      // it is lost, the refund is requested again.
      void send(paymentId, { eventId: `refund-${paymentId}-${keyNo}`, kind: 'refunded' }, 0);
      return Promise.resolve({ now: 'waiting' });
    },
    expire: () => Promise.resolve({ now: 'declined' }),
  };
}

function sign(secret: string, body: string, nowMs: number): string {
  return `${nowMs}.${createHmac('sha256', secret).update(`sandbox ${nowMs}.${body}`).digest('hex')}`;
}
