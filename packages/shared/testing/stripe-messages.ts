/** A call of the API, as Stripe's documentation names it. */
export type StripeCall =
  | 'create session'
  | 'retrieve session'
  | 'expire session'
  | 'retrieve intent'
  | 'list refunds'
  | 'create refund'
  | 'list events';

/**
 * What the next call of a kind gets instead of its answer. `kept`: Stripe began to execute the
 * call, so its key returns the same answer for a day; `carriedOut`: Stripe also executed it.
 * Without them, Stripe did not start to execute it.
 */
export type StripeFault =
  | { readonly status: number; readonly code?: string; readonly kept?: boolean; readonly carriedOut?: boolean }
  | { readonly html: number }
  | { readonly redirect: string }
  | 'hang'
  | 'hang up'
  | 'hang up after';

export interface Session {
  readonly id: string;
  readonly amount_total: number;
  readonly currency: string;
  readonly metadata: Readonly<Record<string, string>>;
  status: 'open' | 'complete' | 'expired';
  payment_status: 'unpaid' | 'paid';
  intent?: Intent;
}

interface Intent {
  readonly id: string;
  status: 'processing' | 'succeeded' | 'requires_payment_method';
  amount_received: number;
}

export interface Refund {
  readonly id: string;
  readonly payment_intent: string;
  readonly amount: number;
  readonly metadata: Readonly<Record<string, string>>;
  status: 'pending' | 'succeeded' | 'failed';
}

export interface Answer {
  readonly status: number;
  readonly body: object;
}

export type Form = Readonly<Record<string, string>>;

export const errorOf = (status: number, message: string, code?: string, type = 'invalid_request_error'): Answer => ({
  status,
  body: { error: { type, message, ...(code === undefined ? {} : { code }) } },
});

export function callOf(method: string, path: string): readonly [StripeCall, string] {
  if (path === '/v1/checkout/sessions' && method === 'POST') return ['create session', ''];
  if (path === '/v1/refunds') return [method === 'POST' ? 'create refund' : 'list refunds', ''];
  if (path === '/v1/events') return ['list events', ''];
  const [, intent] = /^\/v1\/payment_intents\/(\w+)$/.exec(path) ?? [];
  if (intent !== undefined) return ['retrieve intent', intent];
  const [, id, verb] = /^\/v1\/checkout\/sessions\/(\w+)(\/expire)?$/.exec(path) ?? [];
  if (id === undefined) throw new Error(`not a call of this fake: ${method} ${path}`);
  return [verb === undefined ? 'retrieve session' : 'expire session', id];
}

export function metadataOf(form: Form, under: string): Record<string, string> {
  const entries = Object.entries(form).filter(([name]) => name.startsWith(`${under}[`));
  return Object.fromEntries(entries.map(([name, value]) => [name.slice(under.length + 1, -1), value]));
}
