import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { insertOrderEvents } from '@flash-sale/shared/order-events/order-events-table.ts';
import { UsageError } from '@flash-sale/shared/platform/process/command-line.ts';
import { COMMANDS } from '../../src/ops/commands.ts';
import { understand } from '../../src/ops/read.ts';
import { OPERATOR_TOKEN, openTestContext, type TestContext, VIEWER_TOKEN } from '@flash-sale/api/testing/support.ts';
import { startService, type Service } from '@flash-sale/api/testing/service.ts';
import { openPayment, placeOrders } from '@flash-sale/shared/testing/ordering.ts';
import { Shoppers } from '@flash-sale/api/testing/shoppers.ts';
import { jsonOf, ops, opsProcess, said } from './program.ts';

let context: TestContext;
let service: Service;
let shoppers: Shoppers;

beforeAll(async () => {
  context = await openTestContext({ VIEWER_TOKEN });
  service = await startService(context, { apis: 1, workers: 1, env: { TOKEN_SECRETS: '' } });
  shoppers = new Shoppers(service.url);
}, 60_000);

afterAll(async () => {
  await service.stop();
  shoppers.close();
  await context.close();
}, 60_000);

describe('npm run ops', () => {
  it.each([
    ['that succeeds', 'sales', 0],
    ['that is refused', 'pause 999999', 1],
    ['that needs a yes and has no terminal', 'erase nobody', 2],
    ['that does not exist', 'sell', 2],
  ])('as a program, a command %s says the same and ends with its exit code', async (_, args, code) => {
    const answer = await opsProcess(service, args);
    expect(answer).toEqual({ ...(await ops(service, args)), code });
    // An answer goes to stdout, a refusal to stderr as one line.
    expect(answer[code === 0 ? 'said' : 'complained']).not.toBe('');
    expect(answer[code === 0 ? 'complained' : 'said']).toBe('');
  });

  it('shows the figures of a sale as a table, and as the API gave them with --json', async () => {
    const id = await shoppers.openSale(5);
    const order = await shoppers.buyUntilDecided(id, 'alice', await shoppers.token(id, 'alice'), () => undefined);
    await shoppers.settled(order.order_no!);
    const [heading, row] = (await said(service, 'sales --limit 1')).split('\n');
    expect(heading).toMatch(/^sale +name +status +units +available +held +backlog +sold +start +end$/);
    expect(row).toMatch(new RegExp(`^ *${id} +One of few +open +5 +4 +1 +0 +1 +\\S+Z +\\S+Z$`));
    const { items } = await jsonOf(service, 'sales --limit 1');
    expect(items).toMatchObject([{ id, available: 4, held: 1, sold: 1 }]);
    expect(await said(service, `stats ${id}`)).toMatch(/^accepted +1$/m);
    expect(await said(service, `order ${order.order_no}`)).toMatch(/^status +pending_payment$/m);
  });

  it('runs a sale from pause to end, and shows who did what', async () => {
    const id = await shoppers.openSale(5);
    expect(await said(service, `pause ${id}`)).toMatch(/^status +paused$/m);
    expect(await said(service, `resume ${id}`)).toMatch(/^status +open$/m);
    expect(await said(service, `top-up ${id} 8 --yes`)).toMatch(/^seckill_stock +8$/m);
    expect(await said(service, `top-up ${id} 1000001 --stock 2000000 --yes`)).toMatch(/^stock +2000000$/m);
    expect(await said(service, `rebuild ${id}`)).toMatch(/^available +1000001$/m);
    expect(await said(service, `audit ${id}`)).toMatch(/^verdict +clean$/m);
    expect(await said(service, `repair ${id}`)).toMatch(/^repaired +false$/m);
    expect(await said(service, `end ${id} --yes --as night-shift`)).toMatch(/^status +ended$/m);
    const lines = (await said(service, 'actions --limit 100'))
      .split('\n')
      .filter((line) => line.includes(`product ${id} `));
    const did = lines.map((line) => / (\S+) +product /.exec(line)![1]).toReversed();
    expect(did).toEqual(['create', 'pause', 'resume', 'top_up', 'top_up', 'rebuild', 'audit', 'repair', 'end']);
    expect(lines[0]).toMatch(/ night-shift +admin +end +product \d+ +\{"end_time":/);
  }, 90_000);

  it.each(['Jürgen:x', '张伟'])('records %s under just that name', async (name) => {
    const id = await shoppers.openSale(5);
    await said(service, `pause ${id} --as ${name}`);
    const { items } = (await jsonOf(service, 'actions --limit 100')) as { items: { subject: string }[] };
    const [last] = items.filter(({ subject }) => subject === `product ${id}`);
    expect(last).toMatchObject({ operator: name, action: 'pause' });
  });

  it.each(['', 'x'.repeat(65), 'lin\u202e', 'lin\u0007'])(
    'does not call under a name that cannot be recorded as it is: %j',
    async (name) => {
      const { code, complained } = await ops(service, `sales --as=${name}`);
      expect([code, complained]).toEqual([2, expect.stringMatching(/^--as(:| needs)/)]);
    },
  );

  it('lists payments with a problem, by state', async () => {
    const sale = await context.openSale();
    const [order] = await placeOrders(context, sale, ['overpaid']);
    const paymentId = await openPayment(context, order!.orderNo);
    await context.db
      .updateTable('payments')
      .set({ status: 'refund_pending', note: 'Received 1 USD instead of 2' })
      .where('payment_id', '=', paymentId)
      .execute();
    const [heading, row] = (await said(service, 'payments --state wrong_amount')).split('\n');
    expect(heading).toMatch(/^order +problem +status +amount +since +attempts +next attempt +remark$/);
    expect(row).toMatch(new RegExp(`^${order!.orderNo} +wrong_amount +refund_pending +.+Received 1 USD instead of 2$`));
    expect(await jsonOf(service, 'payments --state wrong_amount')).toMatchObject({
      items: [{ payment_id: paymentId }],
    });
    expect(await said(service, 'payments --state overdue')).toBe('none\n');
    expect(await ops(service, 'payments --state lost')).toMatchObject({ code: 2 });
  });

  it('reports in one line that another program answers at the address', async () => {
    const other = createServer((_request, response) => response.end('<html>sign in</html>'));
    await once(other.listen(0, '127.0.0.1'), 'listening');
    onTestFinished(() => void other.close());
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    expect(await ops(service, `sales --url ${url}`)).toEqual({
      said: '',
      complained: `${url} answers, but not as the API of this service does; use --url for another address\n`,
      code: 1,
    });
  });

  it('lists jobs, and rotates the secret of seckill tokens without showing it', async () => {
    expect(await said(service, 'jobs')).toMatch(/^active \d+, waiting \d+, delayed \d+\n/);
    const rotated = await said(service, 'rotate-secret');
    expect(rotated).toMatch(/^key_id +[0-9a-f]{8}$/m);
    for (const { secret } of await context.db.selectFrom('token_secrets').select('secret').execute())
      expect(rotated).not.toContain(secret);
  });

  it('denies a shopper, and allows the shopper again', async () => {
    expect(await said(service, 'deny --user mallory --reason bot --until 2999-01-01T00:00:00Z')).toMatch(
      /^user_id +mallory$/m,
    );
    expect(await said(service, 'deny --address 203.0.113.0/24')).toMatch(/^address +203\.0\.113\.0\/24$/m);
    expect(await said(service, 'denied')).toMatch(/^mallory +- +bot +2999-01-01T00:00:00Z +\S+Z$/m);
    expect(await said(service, 'allow --address 203.0.113.0/24')).toBe('allowed\n');
    expect(await said(service, 'allow --user mallory')).toBe('allowed\n');
    expect(await said(service, 'denied')).toBe('none\n');
    expect(await ops(service, 'allow --user mallory')).toMatchObject({ code: 1 });
    expect(await ops(service, 'deny')).toMatchObject({
      code: 2,
      complained: expect.stringContaining('--user <id> and --address'),
    });
  });

  it('shows undelivered order events, retries the dead ones, and discards them', async () => {
    const { db } = context;
    const sale = await context.openSale();
    const orders = await placeOrders(context, sale, ['a', 'b']);
    for (const order of orders)
      await db.transaction().execute((tx) => insertOrderEvents(tx, sale.id, [order], Date.now()));
    const died = { attempts: 7, last_error: 'The receiver answers 500', dead_at: new Date() };
    const kill = () => db.updateTable('order_events').set(died).orderBy('id').limit(1).execute();
    await kill();
    expect(await said(service, 'events --limit 1')).toMatch(/ dead +The receiver answers 500\nmore: --cursor \d+\n$/);
    expect((await said(service, 'events --state dead')).split('\n')).toHaveLength(3);
    expect(await said(service, 'events-retry')).toMatch(/^retried +1$/m);
    expect(await said(service, 'events --state dead')).toBe('none\n');
    await kill();
    expect(await ops(service, 'events-discard --limit 1 --yes')).toMatchObject({ code: 2, said: '' });
    expect(await ops(service, 'events-discard')).toMatchObject({
      code: 2,
      complained: expect.stringMatching(/^This discards 1 dead order events.*Add --yes/),
    });
    expect(await said(service, 'events-discard --yes')).toMatch(/^discarded +1$/m);
    expect((await said(service, 'events')).split('\n')).toHaveLength(3);
    expect(await ops(service, 'events --state alive')).toMatchObject({
      code: 2,
      complained: expect.stringContaining("'dead'"),
    });
  });

  it('exports the data of a shopper, and erases it', async () => {
    const sale = await context.openSale();
    await placeOrders(context, sale, ['carol']);
    expect(JSON.parse(await said(service, 'export carol'))).toMatchObject({
      user_id: 'carol',
      orders: [{ user_id: 'carol' }],
    });
    expect(await ops(service, 'erase carol')).toMatchObject({ code: 2 });
    // Its order is unpaid.
    expect(await ops(service, 'erase carol --yes')).toMatchObject({
      code: 1,
      complained: expect.stringContaining('invalid_state'),
    });
    expect(await said(service, 'erase nobody --yes')).toMatch(/^orders +0$/m);
  });

  it('asks before it does what cannot be undone, with the amounts, and without a terminal needs --yes', async () => {
    const id = await shoppers.openSale(5);
    const order = await shoppers.buyUntilDecided(id, 'dora', await shoppers.token(id, 'dora'), () => undefined);
    await shoppers.settled(order.order_no!);
    for (const [args, what] of [
      [`end ${id}`, `This ends sale ${id} (One of few, open), with 4 of 5 units not sold.`],
      [`top-up ${id} 500`, `This raises sale ${id} (One of few, open) from 5 to 500 units in total.`],
      [`refund ${order.order_no}`, `This refunds order ${order.order_no} of dora (`],
      ['erase dora', 'This erases the shopper dora.'],
    ] as const) {
      const answer = await ops(service, args);
      expect(answer).toMatchObject({ code: 2, said: '', complained: expect.stringContaining(what) });
      expect(answer.complained).toMatch(/no terminal to ask for confirmation. Add --yes to do it\.\n$/);
    }
    expect(await jsonOf(service, 'sales --limit 1')).toMatchObject({
      items: [{ id, status: 'open', seckill_stock: 5 }],
    });
  });

  it('reports a refusal in one line, with exit code 1', async () => {
    const refused = [
      ['pause 999999', 'Not found (not_found)'],
      ['end 999999', 'Not found (not_found)'],
      ['top-up 1 9999999999 --yes', '(invalid_request)'],
    ] as const;
    for (const [args, why] of refused) {
      expect(await ops(service, args)).toMatchObject({ code: 1, said: '', complained: expect.stringContaining(why) });
    }
    const viewer = await ops(service, 'pause 1', { VIEWER_TOKEN });
    expect(viewer).toMatchObject({ code: 1, complained: 'Not allowed (forbidden); A viewer can only read\n' });
    expect(await ops(service, 'sales', { VIEWER_TOKEN })).toMatchObject({ code: 0 });
    const away = await ops(service, 'sales --url http://127.0.0.1:9', { ADMIN_TOKEN: OPERATOR_TOKEN });
    expect(away).toMatchObject({ code: 1, complained: expect.stringContaining('http://127.0.0.1:9 does not answer') });
  });

  it.each([
    ['a command that does not exist', 'sell', "Unknown command 'sell'"],
    ['an argument too few', 'top-up 1', '<units> is missing; usage: npm run ops -- top-up <sale> <units>'],
    ['an argument too many', 'pause 1 2', "Unexpected argument '2'; usage: npm run ops -- pause <sale>"],
    ['an option that does not exist', 'sales --fast', 'Unknown option --fast'],
    ['an option of another command', 'pause 205 --until 2999-01-01T00:00Z', 'Unknown option --until'],
    ['an option twice', 'sales --limit 1 --limit 2', '--limit is given more than once'],
    ['an option without its value', 'sales --limit --json', '--limit needs a value: --limit <n>'],
    ['a value for a switch', 'sales --json=yes', '--json takes no value'],
    ['a number that is not digits', 'sales --limit 1e2', "a whole number from 1 to 100, not '1e2'"],
    ['a sale that is no number', 'end x/../../y --yes', '<sale> must be a whole number'],
    ['an order that is no order number', 'order 17', 'must look like 01KARYB6S5Q0H9M3T7ZV5W8XCE-0-17'],
    ['a date without its zone', 'deny --user a --until 12/25/2026', 'a date, a time and a zone, such as 2'],
    ['a day that does not exist', 'deny --user a --until 2999-02-31T00:00Z', 'a date, a time and a zone'],
    ['a time that is over', 'deny --user a --until 2020-01-01T00:00Z', 'give a time in the future, such as 2'],
    [
      'a shopper and an address at once',
      'allow --user a --address 10.0.0.1',
      'exactly one of --user <id> and --address',
    ],
  ])('does not guess at %s: one line', (_, args, why) => {
    const read = () => understand(args.split(' '));
    expect(read).toThrow(UsageError);
    expect(read).toThrow(why);
    expect(read).toThrow(/^.*$/);
  });

  it.each([
    ['pause 205 --until 2999-01-01T00:00Z', 'Unknown option --until'],
    ['sales --url localhost:18300', 'such as http://localhost:8080'],
  ])('ends %s with one line and exit code 2', async (args, why) => {
    const answer = await ops(service, args);
    expect(answer).toMatchObject({ code: 2, said: '', complained: expect.stringContaining(why) });
    expect(answer.complained.trimEnd()).not.toContain('\n');
  });

  it.each(COMMANDS.map((command) => [command.name, command] as const))(
    '%s refuses an option that it does not have, and says with --help which it has',
    (name, command) => {
      const args = command.args.map(() => '1');
      expect(() => understand([name, ...args, '--surely'])).toThrow('Unknown option --surely');
      const understood = understand([name, '--help']);
      for (const known of ['json', 'url', 'as', ...Object.keys(command.options)]) {
        expect(understood).toMatchObject({ help: expect.stringMatching(new RegExp(`^  --${known} `, 'm')) });
      }
    },
  );

  it('asks for an operator token if there is none, and takes it from a file', async () => {
    expect(await ops(service, 'sales', {})).toMatchObject({
      code: 2,
      complained: expect.stringContaining('ADMIN_TOKEN'),
    });
    const folder = mkdtempSync(join(tmpdir(), 'ops-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'token');
    expect(await ops(service, 'sales', { ADMIN_TOKEN_FILE: path })).toMatchObject({
      code: 2,
      complained: expect.stringContaining('ADMIN_TOKEN_FILE cannot be read'),
    });
    writeFileSync(path, `${OPERATOR_TOKEN}\n`);
    expect(await ops(service, 'sales', { ADMIN_TOKEN_FILE: path })).toMatchObject({ code: 0 });
  });

  it.each(['', '--help'])('%s lists every command', async (args) => {
    const help = await said(service, args);
    for (const { name } of COMMANDS) expect(help).toContain(`\n  ${name} `);
  });
});
