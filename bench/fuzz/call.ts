import { Agent, request } from 'node:http';
import type { Operation } from './document.ts';

/** One request to make. */
export interface Call {
  readonly operation: Operation;
  /** Set if it differs from the operation's method, to try one that the path does not have. */
  readonly method?: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | readonly string[]>>;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent unchanged, instead of `body`. */
  readonly raw?: string;
}

/**
 * What a call needs to succeed, in addition to a valid form. The rest is generated from its schema.
 */
export type Needs = Partial<Omit<Call, 'operation' | 'body'>> & { readonly body?: Readonly<Record<string, unknown>> };

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

const PATIENCE_MS = 30_000;

/** Calls the service over HTTP, one call at a time. */
export class Client {
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true });
  #calls = 0;

  constructor(port: number) {
    this.#port = port;
  }

  /** Rejects if there is no answer. */
  async send(call: Call): Promise<Answer> {
    const payload = call.raw ?? (call.body === undefined ? undefined : JSON.stringify(call.body));
    return new Promise((resolve, reject) => {
      const sent = request(
        {
          host: '127.0.0.1',
          port: this.#port,
          agent: this.#agent,
          method: call.method ?? call.operation.method,
          path: targetOf(call),
          signal: AbortSignal.timeout(PATIENCE_MS),
          headers: {
            // Each call has another address, so that the limit per address is never reached.
            'x-forwarded-for': addressOf((this.#calls += 1)),
            ...(payload === undefined
              ? {}
              : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
            ...call.headers,
          },
        },
        (response) => {
          const { statusCode: status = 0, headers } = response;
          const chunks: Buffer[] = [];
          const answer = () => resolve({ status, headers, text: Buffer.concat(chunks).toString() });
          response.on('data', (chunk: Buffer) => {
            chunks.push(chunk);
            // A stream of events has no end.
            if (headers['content-type']?.startsWith('text/event-stream')) {
              answer();
              response.destroy();
            }
          });
          response.on('error', reject).on('end', answer);
        },
      );
      sent.on('error', reject).end(payload);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** An address of 198.18.0.0/15, which is reserved for measurements. */
const addressOf = (call: number): string => `198.${18 + ((call >> 16) & 1)}.${(call >> 8) & 255}.${call & 255}`;

function targetOf({ operation, params, query }: Call): string {
  const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encode(params[name] ?? ''));
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value].flat().map((each) => `${encode(name)}=${encode(each)}`),
  );
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
}

/** Encodes like a browser. If that would throw, uses bytes that are not valid UTF-8. */
function encode(text: string): string {
  return text.isWellFormed() ? encodeURIComponent(text) : '%ff%fe';
}

/** A call in the form for a finding. */
export function shown(call: Call): string {
  const { authorization = '', ...headers } = call.headers;
  const parts = [
    `${call.method ?? call.operation.method} ${targetOf(call)}`,
    ...(authorization === '' ? [] : [`authorization: ${authorization.slice(0, 20)}…`]),
    ...(Object.keys(headers).length === 0 ? [] : [JSON.stringify(headers)]),
    ...(call.raw === undefined ? [] : [`raw ${JSON.stringify(call.raw)}`]),
    ...(call.body === undefined ? [] : [JSON.stringify(call.body)]),
  ];
  return parts.map((part) => (part.length > 400 ? `${part.slice(0, 400)}… (${part.length})` : part)).join('  ');
}
