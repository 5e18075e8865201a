import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Proxy } from '../../chaos/proxy.ts';

/** A server that answers everything in capitals, and records what it receives. */
const heard: string[] = [];
const server = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    heard.push(chunk.toString());
    socket.write(chunk.toString().toUpperCase());
  });
});
let proxy: Proxy;
let port: number;
const clients: Socket[] = [];

beforeEach(async () => {
  heard.length = 0;
  if (!server.listening) await once(server.listen(0, '127.0.0.1'), 'listening');
  proxy = new Proxy((server.address() as AddressInfo).port);
  port = await proxy.listen('api-1');
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await proxy.close();
});

async function open(): Promise<Socket> {
  const client = connect(port, '127.0.0.1');
  client.on('error', () => undefined);
  clients.push(client);
  await once(client, 'connect');
  return client;
}

async function answerTo(client: Socket, text: string): Promise<string> {
  client.write(text);
  const [chunk] = (await once(client, 'data')) as [Buffer];
  return chunk.toString();
}

test('bytes go through in both directions', async () => {
  const client = await open();
  expect(await answerTo(client, 'one')).toBe('ONE');
  expect(await answerTo(client, 'two')).toBe('TWO');
});

test('a dropped reply: the server has the request, the client loses its connection and gets nothing', async () => {
  const seen: string[] = [];
  proxy.watch(({ client, text }) => {
    seen.push(`${client} ${text}`);
    return text === 'buy' ? 'drop_reply' : 'pass';
  });
  const client = await open();
  const answers: string[] = [];
  client.on('data', (chunk: Buffer) => answers.push(chunk.toString()));
  client.write('buy');
  await once(client, 'close');
  expect(heard).toEqual(['buy']);
  expect(answers).toEqual([]);
  expect(seen).toEqual(['api-1 buy']);
});

test('a cut request never reaches the server, and other connections stay', async () => {
  proxy.watch(({ text }) => (text === 'mark' ? 'cut' : 'pass'));
  const other = await open();
  const client = await open();
  client.write('mark');
  await once(client, 'close');
  expect(heard).toEqual([]);
  expect(await answerTo(other, 'still here')).toBe('STILL HERE');
});

test('a watcher sees how both sides of the connection have begun', async () => {
  const seen: string[][] = [];
  const client = await open();
  await answerTo(client, 'one');
  proxy.watch(({ greeting, opening, text }) => {
    seen.push([greeting, opening, text]);
    return 'pass';
  });
  await answerTo(client, 'two');
  expect(seen).toEqual([['ONE', 'onetwo', 'two']]);
});

test('a watcher that was ended sees nothing more', async () => {
  const unwatch = proxy.watch(() => 'cut');
  unwatch();
  expect(await answerTo(await open(), 'pass')).toBe('PASS');
});

test('a cut ends every connection, and new ones are taken', async () => {
  const [one, two] = [await open(), await open()];
  await answerTo(one, 'one');
  await answerTo(two, 'two');
  const closed = Promise.all([once(one, 'close'), once(two, 'close')]);
  proxy.cut();
  await closed;
  expect(await answerTo(await open(), 'again')).toBe('AGAIN');
});

test('a delay holds up both directions and keeps the order', async () => {
  const client = await open();
  await answerTo(client, 'warm');
  proxy.delay(60);
  const beganMs = performance.now();
  expect(await answerTo(client, 'late')).toBe('LATE');
  expect(performance.now() - beganMs).toBeGreaterThanOrEqual(119);
  proxy.delay(0);
});

test('after a black hole ends everything arrives in order, also on connections made meanwhile', async () => {
  const client = await open();
  await answerTo(client, 'warm');
  proxy.blackHole(true);
  const late = await open();
  client.write('first ');
  late.write('other');
  // A round trip of an unharmed connection is proof enough that nothing else came through.
  const direct = connect((server.address() as AddressInfo).port, '127.0.0.1');
  clients.push(direct);
  expect(await answerTo(direct, 'direct')).toBe('DIRECT');
  expect(heard).toEqual(['warm', 'direct']);
  const answers = Promise.all([once(client, 'data'), once(late, 'data')]);
  proxy.blackHole(false);
  const texts = (await answers).map(([chunk]) => (chunk as Buffer).toString());
  expect(texts).toEqual(['FIRST ', 'OTHER']);
});
