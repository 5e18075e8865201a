import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { findCaddy } from '../../src/services/caddy.ts';
import { launch, type LaunchedProcess } from '../../src/services/launch.ts';
import { freePort } from '../../src/services/ports.ts';
import { temporaryFolder } from '../../src/services/temporary-folder.ts';

const ROOT = join(import.meta.dirname, '../../..');
/** More than enough that some of them go to the replica that is down first. */
const POSTS = 40;

const folder = temporaryFolder('caddyfile');
let caddy: LaunchedProcess;
let proxy: string;
let healthPort: number;
let ports: readonly [number, number];
let replica: Server | undefined;
/** What the replica has received. */
let received: string[] = [];

/**
 * A replica that answers with the body that it received, or breaks the connection on request.
 * It keeps no connection: the proxy could write to one at the moment when the replica closes.
 */
async function startReplica(port: number): Promise<Server> {
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    received.push(body);
    response.setHeader('connection', 'close');
    if (request.url === '/breaks') request.socket.destroy();
    else response.end(body);
  };
  const server = createServer((request, response) => void answer(request, response));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

beforeAll(async () => {
  const port = await freePort();
  [healthPort, ports] = [await freePort(), [await freePort(), await freePort()]];
  proxy = `http://127.0.0.1:${port}`;
  // The names of containers do not exist here, and a port may be taken. The rest is as deployed.
  const config = readFileSync(join(ROOT, 'infra/deploy/Caddyfile'), 'utf8')
    .replace(/dynamic a \{[^}]*\}/, `to ${ports.map((each) => `127.0.0.1:${each}`).join(' ')}`)
    .replace('127.0.0.1:8081', `127.0.0.1:${healthPort}`);
  const path = join(folder.path, 'Caddyfile');
  writeFileSync(path, config);
  const program = await findCaddy(join(ROOT, '.data'), () => undefined);
  caddy = await launch({
    name: 'caddy',
    kind: 'service',
    dataDir: folder.path,
    program,
    args: ['run', '--adapter', 'caddyfile', '--config', path],
    env: { SITE_ADDRESS: `:${port}`, HOME: folder.path },
  });
  const isHealthy = () =>
    fetch(`http://127.0.0.1:${healthPort}/`).then(
      ({ ok }) => ok,
      () => false,
    );
  await vi.waitUntil(isHealthy, { timeout: 20_000 });
}, 180_000);

afterAll(async () => {
  replica?.close();
  await folder.close();
});

beforeEach(() => {
  received = [];
});

const post = (path: string, body: string) => fetch(`${proxy}${path}`, { method: 'POST', body });

/** The requests that the proxy logged: path, status and reason. */
const failures = () =>
  readFileSync(caddy.logFile, 'utf8')
    .split('\n')
    .filter((line) => line.includes('http.log.access'))
    .map((line) => JSON.parse(line) as { request: { uri: string }; status: number; error?: string })
    .map(({ request, status, error }) => ({ uri: request.uri, status, error }));

describe('if one replica takes no connection', () => {
  beforeAll(async () => {
    replica = await startReplica(ports[0]);
  });

  it('passes every POST to the other one, once and with its body', async () => {
    const bodies = Array.from({ length: POSTS }, (_, i) => `buy ${i}`);
    const answers = await Promise.all(bodies.map((body) => post('/buy', body)));
    expect(answers.map(({ status }) => status)).toEqual(bodies.map(() => 200));
    expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual(bodies);
    expect(received.toSorted()).toEqual(bodies.toSorted());
    expect(failures()).toEqual([]);
  });

  it('never sends a POST twice that a replica has received, answers unavailable and logs the reason', async () => {
    const answer = await post('/breaks', 'buy once');
    expect([answer.status, answer.headers.get('content-type'), answer.headers.get('retry-after')]).toEqual([
      503,
      'application/problem+json',
      '1',
    ]);
    expect(await answer.json()).toMatchObject({ status: 503, code: 'unavailable' });
    expect(received).toEqual(['buy once']);
    await expect.poll(failures).toEqual([{ uri: '/breaks', status: 503, error: 'EOF' }]);
  });
});

it('answers unavailable and logs the reason if no replica takes a connection', async () => {
  replica!.closeAllConnections();
  replica!.close();
  await once(replica!, 'close');
  const answer = await post('/none', 'buy');
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
  const refused = { uri: '/none', status: 503, error: expect.stringMatching(/connection refused/) };
  await expect.poll(() => failures().at(-1)).toEqual(refused);
});
