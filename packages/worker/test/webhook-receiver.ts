import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface ReceivedEvent {
  readonly type: string;
  readonly timestamp: string;
  readonly data: { readonly order_no: string; readonly status: string } & Readonly<Record<string, unknown>>;
}

/** A message as it arrived. */
export interface Received {
  readonly id: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly events: readonly ReceivedEvent[];
}

/** How the receiver answers a message: an HTTP status, or a function that answers. */
export type Answer = number | ((response: ServerResponse) => void);

/** A receiver of webhooks on loopback, which records every message, accepted or not. */
export interface WebhookReceiver {
  readonly url: string;
  readonly received: readonly Received[];
  /** Sets how messages are answered from now on; at first with 204. */
  answer(decide: (message: Received) => Answer): void;
  /** Stops listening. */
  close(): Promise<void>;
}

export async function openWebhookReceiver(port = 0): Promise<WebhookReceiver> {
  const received: Received[] = [];
  let decide: (message: Received) => Answer = () => 204;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const { data } = JSON.parse(text) as { data: { events: ReceivedEvent[] } };
      const { headers } = request;
      const message = { id: String(headers['webhook-id']), headers, text, events: data.events };
      received.push(message);
      const answer = decide(message);
      if (typeof answer === 'number') response.writeHead(answer).end();
      else answer(response);
    });
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(port, '127.0.0.1', resolve);
  await promise;
  const close = async (): Promise<void> => {
    const closed = new Promise((done) => server.close(done));
    server.closeAllConnections();
    await closed;
  };
  onTestFinished(close);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`,
    received,
    answer: (next) => {
      decide = next;
    },
    close,
  };
}
