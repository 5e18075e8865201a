import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import Type from 'typebox';
import Value from 'typebox/value';
import { Refusal } from '../domain/errors.ts';
import type { PaymentEvent } from '../domain/payment.ts';
import type { Logger } from '../telemetry/logger.ts';
import type { PaymentProvider, SandboxBehaviour } from './provider.ts';

const SIGNATURE_HEADER = 'x-sandbox-signature';
/** A signature is believed for this long, so that a recorded webhook cannot be played back later. */
const SIGNATURE_LIFE_MS = 300_000;
const SOON_MS = 200;
const LATE_MS = 3_000;
const TRIES_MAX = 10;

type Event = Pick<PaymentEvent, 'event_id' | 'kind'>;

export interface SandboxOptions {
  /** Shared by all processes: what webhooks are signed with. */
  readonly secret: string;
  /** Where the API is reached. */
  readonly public_url: string;
  readonly log: Logger;
}

/**
 * A provider without money, for trying the service out: it answers as it is asked to, by the same signed webhooks over HTTP that a real one
 * sends.
 */
export function createSandbox({ secret, public_url, log }: SandboxOptions): PaymentProvider {
  async function send(payment_id: string, event: Event, after_ms: number): Promise<void> {
    await delay(after_ms, undefined, { ref: false });
    const body = JSON.stringify({ ...event, payment_id });
    for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
      try {
        const response = await fetch(`${public_url}/api/v1/payments/webhook/sandbox`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', [SIGNATURE_HEADER]: sign(secret, body, Date.now()) },
          body,
        });
        if (response.ok || response.status === 404) return;
      } catch (error) {
        log.debug({ err: error, payment_id }, 'sandbox webhook not delivered');
      }
      // As a real provider does, later and later.
      await delay(SOON_MS * 2 ** tries, undefined, { ref: false });
    }
    log.warn({ payment_id, ...event }, 'sandbox gave up on a webhook');
  }

  const event = (kind: Event['kind']): Event => ({ event_id: randomUUID(), kind });

  /** What is sent, and after how long. */
  function eventsOf(behaviour: SandboxBehaviour): readonly (readonly [Event, number])[] {
    const succeeded = event('succeeded');
    const declined = event('declined');
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
    start(payment, behaviour = 'pay') {
      for (const [next, after_ms] of eventsOf(behaviour)) void send(payment.payment_id, next, after_ms);
      const url = `${public_url}/api/v1/orders/${payment.order_no}`;
      return Promise.resolve({ provider_ref: `sandbox-${payment.payment_id}`, url });
    },
    verifyWebhook(body, headers) {
      const text = body.toString();
      const given = Buffer.from(String(headers[SIGNATURE_HEADER]));
      const signed_ms = Number.parseInt(given.toString(), 10);
      const expected = Buffer.from(sign(secret, text, signed_ms));
      const matches = given.length === expected.length && timingSafeEqual(given, expected);
      if (!matches || Math.abs(Date.now() - signed_ms) > SIGNATURE_LIFE_MS) throw new Refusal('unauthenticated');
      return eventOf(text);
    },
    refund(payment) {
      // One event per payment, however often it is asked for. Nobody waits for it: where it is lost, the refund is asked for again.
      void send(payment.payment_id, { event_id: `refund-${payment.payment_id}`, kind: 'refunded' }, 0);
      return Promise.resolve();
    },
    expire: () => Promise.resolve(),
  };
}

const EventSchema = Type.Object({
  event_id: Type.String({ minLength: 1, maxLength: 255, pattern: '^[!-~]+$' }),
  payment_id: Type.String({ minLength: 1, maxLength: 32, pattern: '^[!-~]+$' }),
  kind: Type.Enum(['succeeded', 'declined', 'refunded']),
});

function eventOf(text: string): PaymentEvent {
  try {
    return Value.Parse(EventSchema, JSON.parse(text));
  } catch (error) {
    throw new Refusal('invalid_request', { detail: 'body is not an event of the sandbox', cause: error });
  }
}

function sign(secret: string, body: string, now_ms: number): string {
  return `${now_ms}.${createHmac('sha256', secret).update(`sandbox ${now_ms}.${body}`).digest('hex')}`;
}
