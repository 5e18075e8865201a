import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  callOf,
  errorOf,
  metadataOf,
  type Answer,
  type Form,
  type Refund,
  type Session,
  type StripeCall,
  type StripeFault,
} from './stripe-messages.ts';

/**
 * The part of Stripe that the service uses, as its documentation describes it: idempotency keys
 * keep the first result, also an error; sessions expire only while they are open; refunds never
 * exceed what was paid. Webhooks are put into `events`: if a test does not deliver them, they are
 * lost.
 *
 * @see https://docs.stripe.com/api/idempotent_requests
 * https://docs.stripe.com/api/checkout/sessions/expire https://docs.stripe.com/api/refunds
 */
export class FakeStripe {
  readonly calls: { readonly call: StripeCall; readonly key: string | undefined; readonly form: Form }[] = [];
  /** Bodies of the webhooks that it sends, oldest first. */
  readonly events: string[] = [];
  /** Refunds take days from now on, as with some banks. */
  refundsTakeTime = false;
  /** Runs just before the fake handles a call. */
  meanwhile: (call: StripeCall) => void = () => undefined;

  readonly #sessions = new Map<string, Session>();
  readonly #refunds: Refund[] = [];
  readonly #kept = new Map<string, { readonly form: string; readonly answer: Answer }>();
  readonly #faults = new Map<StripeCall, StripeFault[]>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  #made = 0;

  async listen(): Promise<{ readonly host: string; readonly port: number; readonly protocol: 'http' }> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port, protocol: 'http' };
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** The next calls of this kind get these faults instead of their answers. */
  fail(call: StripeCall, ...faults: readonly StripeFault[]): void {
    this.#faults.set(call, [...(this.#faults.get(call) ?? []), ...faults]);
  }

  get sessions(): readonly Readonly<Session>[] {
    return [...this.#sessions.values()];
  }

  /** The refunds of a session, finished or pending. */
  paidBack(sessionId: string): number {
    const { intent } = this.#sessions.get(sessionId)!;
    return this.#standing(intent?.id ?? '').reduce((sum, { amount }) => sum + amount, 0);
  }

  /** The shopper pays. Returns false if the session is over. */
  pay(sessionId: string, { takesDays = false, amount }: { takesDays?: boolean; amount?: number } = {}): boolean {
    const session = this.#sessions.get(sessionId)!;
    if (session.status !== 'open') return false;
    if (amount !== undefined) Object.assign(session, { amount_total: amount });
    session.status = 'complete';
    session.intent = { id: this.#newId('pi'), status: 'processing', amount_received: 0 };
    if (!takesDays) this.#settle(session);
    this.#send('checkout.session.completed', this.#shown(session));
    return true;
  }

  /** The money of a session that was processing arrives, or does not. */
  settle(sessionId: string, comes: boolean): void {
    const session = this.#sessions.get(sessionId)!;
    if (comes) this.#settle(session);
    else session.intent!.status = 'requires_payment_method';
    this.#send(`checkout.session.async_payment_${comes ? 'succeeded' : 'failed'}`, this.#shown(session));
  }

  /** A person refunds all or a part in Stripe's dashboard. */
  refundByHand(sessionId: string, amount?: number): void {
    this.#refund({ payment_intent: this.#sessions.get(sessionId)!.intent!.id, ...(amount && { amount: `${amount}` }) });
  }

  /** Pending refunds arrive, or fail. */
  settleRefunds(arrive: boolean): void {
    for (const refund of this.#refunds) {
      if (refund.status === 'failed' || (arrive && refund.status === 'succeeded')) continue;
      refund.status = arrive ? 'succeeded' : 'failed';
      this.#send(arrive ? 'refund.updated' : 'refund.failed', refund);
    }
  }

  #settle(session: Session): void {
    session.payment_status = 'paid';
    session.intent!.status = 'succeeded';
    session.intent!.amount_received = session.amount_total;
  }

  #standing(intent: string): Refund[] {
    return this.#refunds.filter(
      ({ payment_intent: paymentIntent, status }) => paymentIntent === intent && status !== 'failed',
    );
  }

  #shown({ intent, ...session }: Session, expanded = false): object {
    const url = session.status === 'open' ? `https://checkout.stripe.test/${session.id}` : null;
    const paymentIntent = expanded ? (intent ?? null) : (intent?.id ?? null);
    return { object: 'checkout.session', url, ...session, payment_intent: paymentIntent };
  }

  #newId(prefix: string): string {
    return `${prefix}_${(this.#made += 1)}`;
  }

  #send(type: string, object: object): void {
    const created = Math.floor(Date.now() / 1_000);
    this.events.push(JSON.stringify({ id: this.#newId('evt'), object: 'event', created, type, data: { object } }));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const url = new URL(request.url!, 'http://stripe.test');
    const form: Form = Object.fromEntries([...url.searchParams, ...new URLSearchParams(text)]);
    const header = request.headers['idempotency-key'];
    const key = typeof header === 'string' ? header : undefined;
    const [call, id] = callOf(request.method!, url.pathname);
    this.calls.push({ call, key, form });
    this.meanwhile(call);

    const fault = this.#faults.get(call)?.shift();
    if (fault === 'hang') return;
    if (fault === 'hang up') return void response.destroy();
    if (fault !== undefined && typeof fault === 'object' && 'html' in fault) {
      response.writeHead(fault.html, { 'content-type': 'text/html' }).end('<html><h1>Bad gateway</h1></html>');
      return;
    }
    if (fault !== undefined && typeof fault === 'object' && 'redirect' in fault) {
      response.writeHead(307, { location: fault.redirect }).end();
      return;
    }
    const answer = this.#idempotent(
      key,
      JSON.stringify([call, id, form]),
      typeof fault === 'object' ? fault : undefined,
      () => this.#carryOut(call, id, form),
    );
    if (fault === 'hang up after') return void response.destroy();
    const more = answer.status === 429 ? { 'retry-after': '40' } : {};
    // Stripe sets this header for its own errors, because their keys would only repeat them.
    response
      .writeHead(answer.status, { 'content-type': 'application/json', 'stripe-should-retry': 'false', ...more })
      .end(JSON.stringify(answer.body));
  }

  #idempotent(
    key: string | undefined,
    form: string,
    fault: Extract<StripeFault, { status: number }> | undefined,
    carryOut: () => Answer,
  ): Answer {
    const kept = key === undefined ? undefined : this.#kept.get(key);
    if (kept !== undefined) {
      return kept.form === form
        ? kept.answer
        : errorOf(
            400,
            'Keys for idempotent requests can only be used with the same parameters',
            undefined,
            'idempotency_error',
          );
    }
    if (fault !== undefined && fault.kept !== true) return errorOf(fault.status, 'not let in', fault.code);
    const made = fault === undefined || fault.carriedOut === true ? carryOut() : undefined;
    const answer = fault === undefined ? made! : errorOf(fault.status, 'an error of ours', fault.code, 'api_error');
    if (key !== undefined) this.#kept.set(key, { form, answer });
    return answer;
  }

  #carryOut(call: StripeCall, id: string, form: Form): Answer {
    if (call === 'create session') return this.#createSession(form);
    if (call === 'create refund') return this.#refund(form);
    if (call === 'list events') {
      const since = Number(form['created[gte]'] ?? 0);
      const types = Object.entries(form)
        .filter(([name]) => name.startsWith('types'))
        .map(([, type]) => type);
      const data = this.events
        .map((text) => JSON.parse(text) as { type: string; created: number })
        .filter(({ type, created }) => types.includes(type) && created >= since);
      return { status: 200, body: { object: 'list', has_more: false, data: data.toReversed() } };
    }
    if (call === 'retrieve intent') {
      const session = this.sessions.find(({ intent }) => intent?.id === id);
      if (session === undefined) return errorOf(404, 'No such payment_intent', 'resource_missing');
      return { status: 200, body: { object: 'payment_intent', ...session.intent, metadata: session.metadata } };
    }
    if (call === 'list refunds') {
      const data = this.#refunds
        .filter(({ payment_intent: paymentIntent }) => paymentIntent === form['payment_intent'])
        .toReversed();
      return { status: 200, body: { object: 'list', has_more: false, data } };
    }
    const session = this.#sessions.get(id);
    if (session === undefined) return errorOf(404, `No such checkout.session: ${id}`, 'resource_missing');
    if (call === 'expire session') {
      if (session.status !== 'open')
        return errorOf(400, 'Only Checkout Sessions with a status in ["open"] can be expired.');
      session.status = 'expired';
      this.#send('checkout.session.expired', this.#shown(session));
    }
    return { status: 200, body: this.#shown(session, form['expand[0]'] === 'payment_intent') };
  }

  #createSession(form: Form): Answer {
    const session: Session = {
      id: this.#newId('cs'),
      amount_total: Number(form['line_items[0][price_data][unit_amount]']),
      currency: form['line_items[0][price_data][currency]']!,
      metadata: metadataOf(form, 'metadata'),
      status: 'open',
      payment_status: 'unpaid',
    };
    this.#sessions.set(session.id, session);
    return { status: 200, body: this.#shown(session) };
  }

  #refund(form: Form): Answer {
    const session = this.sessions.find(({ intent }) => intent?.id === form['payment_intent']);
    if (session?.intent === undefined) return errorOf(404, 'No such payment_intent', 'resource_missing');
    const { id, amount_received: amountReceived } = session.intent;
    const rest = amountReceived - this.#standing(id).reduce((sum, { amount }) => sum + amount, 0);
    if (rest === 0) return errorOf(400, `Charge of ${id} has already been refunded.`, 'charge_already_refunded');
    const amount = Number(form['amount'] ?? rest);
    if (amount > rest) return errorOf(400, 'Refund amount is greater than unrefunded amount on charge');
    const refund: Refund = {
      id: this.#newId('re'),
      payment_intent: id,
      amount,
      metadata: metadataOf(form, 'metadata'),
      status: this.refundsTakeTime ? 'pending' : 'succeeded',
    };
    this.#refunds.push(refund);
    const charge = { object: 'charge', refunded: amount === rest, metadata: session.metadata };
    this.#send('charge.refunded', charge);
    return { status: 200, body: { object: 'refund', ...refund } };
  }
}
