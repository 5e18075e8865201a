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
  test.each(['high', 'critical'])('fails on a hole of %s severity, and names it', async (severity) => {
    const { verdict, text } = await asking(200, hole(severity));
    expect([verdict, text]).toEqual(['vulnerable', expect.stringContaining('a hole')]);
  });

  test('passes where none is known, and where it is a smaller one', async () => {
    expect((await asking(200, {})).verdict).toBe('clean');
    expect((await asking(200, hole('moderate'))).verdict).toBe('clean');
  });

  test('does not take a registry without an answer for a clean one', async () => {
    expect((await asking(405, {})).verdict).toBe('no answer');
    expect((await asking(404, { error: 'nothing here' })).verdict).toBe('no answer');
  });
});
