import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { askForAdvisories, type Advisories } from '../../src/supply-chain/advisories.ts';

/** Asks a registry that answers with this status and body. */
async function asking(status: number, body: object): Promise<Advisories> {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await askForAdvisories(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

const hole = (severity: string) => ({
  ioredis: [{ id: 1, url: 'https://example.test/1', title: 'a hole', severity, vulnerable_versions: '<99.0.0' }],
});

describe('the check of known vulnerabilities', () => {
  test.each(['high', 'critical'])('fails if one is %s, and names it', async (severity) => {
    const { verdict, text } = await asking(200, hole(severity));
    expect([verdict, text]).toEqual(['vulnerable', expect.stringContaining('a hole')]);
  });

  test('passes if none is known, or only less severe ones', async () => {
    expect((await asking(200, {})).verdict).toBe('clean');
    expect((await asking(200, hole('moderate'))).verdict).toBe('clean');
  });

  test('reaches no verdict if the registry does not answer', async () => {
    expect((await asking(405, {})).verdict).toBe('no answer');
    expect((await asking(404, { error: 'nothing here' })).verdict).toBe('no answer');
  });
});
