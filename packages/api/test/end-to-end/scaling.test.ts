import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openTestContext, type TestContext } from '../../testing/support.ts';
import { expectPromisesKept, watchConservation } from './promises.ts';
import { metricOf, startService, type Service, type ServiceProcess } from '../../testing/service.ts';
import { each, outcomeOf, Shoppers, type Answer } from '../../testing/shoppers.ts';

/** Several, so that several workers can write at once. */
const SALES = 2;
/** More than are ever asked for: the sale goes on for as long as the test does. */
const UNITS = 100_000;
const AT_ONCE = 8;
/** Buys that are accepted between two changes, so that each of them happens in mid-sale. */
const BETWEEN = 50;
/** A crowd that never pauses takes the cores from the processes that start and stop. */
const PAUSE_MS = 100;
const COME_BACK_MS = 20;
const RECOVERED_MS_MAX = 10_000;
/** A machine that stalls is not a failure; what is awaited comes much sooner. */
const PATIENCE = { timeout: 90_000 };

let context: TestContext;
let service: Service;
let shoppers: Shoppers;

beforeEach(async () => {
  context = await openTestContext();
}, 60_000);

afterEach(async () => {
  await service.stop();
  shoppers.close();
  await context.close();
}, 60_000);

async function start(
  processes: { readonly apis: number; readonly workers: number },
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  service = await startService(context, { ...processes, env });
  shoppers = new Shoppers(service.url);
}

interface Sale {
  readonly id: number;
  readonly promised: Map<string, string>;
  readonly watch: ReturnType<typeof watchConservation>;
}

/**
 * What a shopper may see while processes come and go: an answer of the contract, and nothing worse
 * than "come back in a second".
 */
function complaintsAbout(answer: Answer): string[] {
  const comesBack = answer.status === 503 && /^[1-9]\d*$/.test(String(answer.headers['retry-after']));
  return answer.status < 400 || comesBack ? [] : [`${answer.status} ${answer.body}`];
}

/** Shoppers who buy and poll until they are stopped. */
async function startCrowd() {
  const sales: Sale[] = [];
  for (let i = 0; i < SALES; i += 1) {
    const id = await shoppers.openSale(UNITS);
    sales.push({ id, promised: new Map(), watch: watchConservation(context, id) });
  }
  const ending = new AbortController();
  const complaints: string[] = [];
  let users = 0;

  /**
   * A call as browsers and proxies make it: again if the connection turns out to be closed
   * before anything was answered, which no server can rule out for one that was kept alive, or not
   * accepted yet.
   */
  async function call(ask: () => Promise<Answer>): Promise<Answer> {
    for (;;) {
      let answer: Answer;
      try {
        answer = await ask();
      } catch (error) {
        if ((error as { code?: string }).code !== 'ECONNRESET') complaints.push(String(error));
        continue;
      }
      complaints.push(...complaintsAbout(answer));
      if (answer.status !== 503) return answer;
      await delay(COME_BACK_MS);
    }
  }

  const one = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      const userId = `shopper-${(users += 1)}`;
      const { id: productId, promised } = sales[users % SALES]!;
      const asked = await call(() =>
        shoppers.call('POST', '/api/v1/seckill/token', { user_id: userId, product_id: productId }),
      );
      const { token } = JSON.parse(asked.body) as { token: string };
      const { order_no: orderNo } = outcomeOf(await call(() => shoppers.buy(productId, userId, token)));
      promised.set(orderNo!, userId);
      await call(() => shoppers.call('GET', `/api/v1/orders/${orderNo}?wait=1`));
      await delay(PAUSE_MS);
    }
  };
  const crowd = Promise.all(Array.from({ length: AT_ONCE }, one));
  const promises = () => sales.flatMap(({ promised }) => [...promised.keys()]);

  return {
    sales,
    promises,
    /** Resolves when some more buys were accepted. */
    async goesOn(): Promise<void> {
      const before = promises().length;
      await vi.waitFor(() => expect(promises().length).toBeGreaterThan(before + BETWEEN), PATIENCE);
    },
    /** Ends the load, and checks every promise of every sale. */
    async stop(): Promise<void> {
      ending.abort();
      await crowd;
      const ends = await each(promises(), AT_ONCE, (orderNo) => shoppers.settled(orderNo));
      expect(new Set(ends)).toEqual(new Set(['pending_payment']));
      for (const { id, promised, watch } of sales) {
        expect(await watch.stop()).toMatchObject({ violations: [] });
        await expectPromisesKept(context, { id, seckill_stock: UNITS, sold: promised.size }, promised);
      }
      expect(complaints).toEqual([]);
    },
  };
}

const hasWritten = (worker: ServiceProcess): boolean => worker.log.some(({ msg }) => msg === 'orders written');

/** Which of these orders are not in the ledger yet. */
async function notInLedger(orderNos: readonly string[]): Promise<string[]> {
  const rows = await context.db.selectFrom('orders').select('order_no').execute();
  const written = new Set(rows.map(({ order_no: orderNo }) => orderNo));
  return orderNos.filter((orderNo) => !written.has(orderNo));
}

it('workers go from 1 to 4 and back to 1 in mid-sale, by SIGTERM and by SIGKILL: each gets work at once, no order is lost or duplicated', async () => {
  await start({ apis: 1, workers: 1 });
  const crowd = await startCrowd();
  await crowd.goesOn();

  await Promise.all([service.addWorker(), service.addWorker(), service.addWorker()]);
  const [first, killed, third] = service.workers;
  // The only visible sign is that a new replica writes: nothing notifies it of the sale.
  await vi.waitFor(() => expect(service.workers.map(hasWritten)).toEqual([true, true, true, true]), PATIENCE);
  await crowd.goesOn();

  expect(await first!.stop()).toBe(0);
  await crowd.goesOn();

  const accepted = crowd.promises();
  const killedMs = performance.now();
  await killed!.kill();
  await vi.waitFor(async () => expect(await notInLedger(accepted)).toEqual([]), {
    timeout: RECOVERED_MS_MAX,
    interval: 50,
  });
  expect(performance.now() - killedMs).toBeLessThan(RECOVERED_MS_MAX);
  await crowd.goesOn();

  expect(await third!.stop()).toBe(0);
  await crowd.goesOn();
  await crowd.stop();
}, 300_000);

it('every process is replaced one by one in mid-sale: shoppers see only answers and 503 with Retry-After', async () => {
  await start({ apis: 2, workers: 2 });
  const crowd = await startCrowd();
  for (const [i, api] of [...service.apis].entries()) {
    await crowd.goesOn();
    await Promise.all([service.addApi(), service.addWorker()]);
    expect(await Promise.all([api.stop(), service.workers[i]!.stop()])).toEqual([0, 0]);
  }
  await crowd.goesOn();
  await crowd.stop();
}, 300_000);

describe('an api process that is stopped', () => {
  it('answers the request in flight, and closes a keep-alive connection with its last answer', async () => {
    // Long enough for a slow machine.
    await start({ apis: 1, workers: 0 }, { SHUTDOWN_MS: '3000/7000' });
    const [api] = service.apis;
    const id = await shoppers.openSale(1);
    const { order_no: orderNo } = outcomeOf(await shoppers.buy(id, 'patient', await shoppers.token(id, 'patient')));
    const keptAlive = new Agent({ keepAlive: true, maxSockets: 1 });
    const read = () =>
      new Promise<{ status: number; connection: string | undefined; reused: boolean }>((resolve, reject) => {
        const asked = get(new URL(`/api/v1/products/${id}`, service.url), { agent: keptAlive }, (response) => {
          const { statusCode, headers } = response;
          response
            .resume()
            .on('end', () =>
              resolve({ status: statusCode!, connection: headers.connection, reused: asked.reusedSocket }),
            );
        }).on('error', reject);
      });
    expect(await read()).toEqual({ status: 200, connection: 'keep-alive', reused: false });
    const poll = shoppers.call('GET', `/api/v1/orders/${orderNo}?wait=25`);
    await expect.poll(() => metricOf(api!, 'seckill_poll_waiters')).toBe(1);

    const stopped = api!.stop();

    // Nobody writes the order, so that only the end of the process ends the wait for it.
    expect(await poll).toMatchObject({ status: 200, body: expect.stringContaining('"queued"') });
    expect((await fetch(`http://127.0.0.1:${api!.ready.ops_port}/readyz`)).status).toBe(503);
    expect(await read()).toEqual({ status: 200, connection: 'close', reused: true });
    expect(await stopped).toBe(0);
    keptAlive.destroy();
  }, 120_000);
});
