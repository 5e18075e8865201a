import Type from 'typebox';
import Value from 'typebox/value';
import type { Webhook } from './provider.ts';

const KINDS = ['succeeded', 'declined', 'refunded', 'refund_failed'] as const;
const EventSchema = Type.Object({
  event_id: Type.String({ minLength: 1, maxLength: 255, pattern: '^[!-~]+$' }),
  payment_id: Type.String({ minLength: 1, maxLength: 32, pattern: '^[!-~]+$' }),
  kind: Type.Enum([...KINDS]),
  received: Type.Optional(Type.Object({ amount: Type.Integer({ minimum: 0 }), currency: Type.String() })),
});

/** What a verified webhook of the sandbox says. */
export function webhookOf(text: string): Webhook {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { ignored: 'unreadable' };
  }
  const { kind, payment_id: paymentId } = (body ?? {}) as { kind?: unknown; payment_id?: unknown };
  if (typeof kind === 'string' && !(KINDS as readonly string[]).includes(kind)) return { ignored: 'other_kind' };
  if (typeof kind === 'string' && paymentId === undefined) return { ignored: 'not_ours' };
  if (!Value.Check(EventSchema, body)) return { ignored: 'unreadable' };
  const { event_id: eventId, ...event } = body;
  return { event: { eventId, paymentId: event.payment_id, kind: event.kind, received: event.received } };
}
