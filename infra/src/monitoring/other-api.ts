import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const SHIFTED_CLOCK = new URL('../../../packages/shared/testing/shifted-clock.ts', import.meta.url).pathname;
const CLOCK_SHIFT_MS = 2_000;

/** What is wrong around the second api process: its machine's clock, and its identity provider. */
export interface OtherApi {
  readonly env: NodeJS.ProcessEnv;
  readonly imports: readonly string[];
  /** From now on the identity provider answers without keys. */
  breakKeySet(): void;
  close(): void;
}

export async function startOtherApi(): Promise<OtherApi> {
  const jwk = generateKeyPairSync('rsa', { modulusLength: 2_048 }).publicKey.export({ format: 'jwk' });
  let answer: object = { keys: [{ ...jwk, kid: 'watched', alg: 'RS256', use: 'sig' }] };
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    env: {
      AUTH_MODE: 'jwt',
      JWKS_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
      CLOCK_SHIFT_MS: String(CLOCK_SHIFT_MS),
    },
    imports: [SHIFTED_CLOCK],
    breakKeySet() {
      answer = { error: 'maintenance' };
    },
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
