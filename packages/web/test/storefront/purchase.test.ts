import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { SeckillToken, ShopperClient } from '../../src/client/client.ts';
import { ServerClock } from '../../src/client/server-clock.ts';
import { Purchase } from '../../src/storefront/purchase.ts';
import type { PurchaseRecord, PurchaseRecords } from '../../src/storefront/purchase-record.ts';
import { SaleWatch } from '../../src/storefront/sale-watch.ts';

beforeEach(() => {
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('removeEventListener', () => undefined);
});
afterEach(() => vi.unstubAllGlobals());

const SALE = 17;
/** All that is due without a timer has been done after this. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function recordsInMemory(): PurchaseRecords {
  let record: PurchaseRecord = {};
  return {
    read: () => record,
    change: (fields) => void (record = { ...record, ...fields }),
    clear: () => void (record = {}),
    follow: () => () => undefined,
  };
}

it('a seckill token that arrives after the shopper has stopped buys nothing, and is kept for the next wish', async () => {
  const asked = Promise.withResolvers<void>();
  const issued = Promise.withResolvers<SeckillToken>();
  const bought: string[] = [];
  const client = {
    clock: new ServerClock(),
    product: () => Promise.resolve({ id: SALE, start_time: new Date(Date.now() - 60_000).toISOString() }),
    // The abort comes too late to stop the answer.
    token: () => {
      asked.resolve();
      return issued.promise;
    },
    buy: (_id: number, token: string) => {
      bought.push(token);
      return Promise.resolve({ order_no: 'o1', status: 'queued', quantity: 1 });
    },
    order: () => Promise.resolve({ order_no: 'o1', status: 'paid' }),
  } as unknown as ShopperClient;
  client.clock.learn(new Date().toUTCString(), client.clock.local());
  const watch = new SaleWatch(client, SALE);
  const purchase = new Purchase({
    client,
    watch,
    records: recordsInMemory(),
    solve: () => Promise.reject(new Error('no challenge')),
    leave: () => undefined,
  });

  purchase.want('unit');
  await asked.promise;
  purchase.stop();
  issued.resolve({ token: 'late', expires_at: new Date(Date.now() + 300_000).toISOString() });
  await settled();
  expect([bought, purchase.state.get()]).toEqual([[], { at: 'idle' }]);

  purchase.want('unit');
  await settled();
  expect([bought, purchase.state.get()]).toEqual([['late'], expect.objectContaining({ at: 'order' })]);
  purchase.dispose();
});
