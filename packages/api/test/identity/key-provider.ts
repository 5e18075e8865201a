import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type JWK, type JWTPayload } from 'jose';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** An identity provider's key server with configurable answers. */
export interface KeyProvider {
  readonly url: string;
  /** How often it was asked. */
  readonly fetches: number;
  /** When it was asked last, by `performance.now()`. */
  readonly askedAtMs: number;
  answerWith(answer: Answer): void;
  /** Answers 200 with this text. */
  answerText(text: string, type?: string): void;
  serve(...keys: readonly JWK[]): void;
  close(): Promise<void>;
}

export async function openKeyProvider(): Promise<KeyProvider> {
  let answer: Answer = (_request, response) => response.writeHead(404).end();
  let fetches = 0;
  let askedAtMs = -Infinity;
  const server = createServer((request, response) => {
    fetches += 1;
    askedAtMs = performance.now();
    answer(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const provider: KeyProvider = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    get fetches() {
      return fetches;
    },
    get askedAtMs() {
      return askedAtMs;
    },
    answerWith(next) {
      answer = next;
    },
    answerText(text, type = 'application/json') {
      answer = (_request, response) => response.writeHead(200, { 'content-type': type }).end(text);
    },
    serve(...keys) {
      provider.answerText(JSON.stringify({ keys }));
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return provider;
}

/**
 * A pair of keys: its public one as a provider publishes it, and access tokens that are signed by
 * it.
 */
export async function newKey(kid: string | undefined, algorithm = 'RS256') {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const named = kid === undefined ? {} : { kid };
  return {
    jwk: { ...(await exportJWK(publicKey)), ...named, alg: algorithm, use: 'sig' } as JWK,
    privateJwk: { ...(await exportJWK(privateKey)), ...named, alg: algorithm, use: 'sig' } as JWK,
    sign: (claims: JWTPayload, header: Readonly<Record<string, unknown>> = named) =>
      new SignJWT({ exp: Math.floor(Date.now() / 1_000) + 3_600, ...claims })
        .setProtectedHeader({ alg: algorithm, ...header })
        .sign(privateKey),
  };
}
