import { setTimeout as pause } from 'node:timers/promises';
import { StartFailure } from '../services/start-failure.ts';

const demoName = 'Demo: one phone for ten thousand';
const demoStock = 10_000;
const demoLengthMs = 24 * 60 * 60 * 1000;
const callMsMax = 10_000;

interface Product {
  id: number;
  name: string;
  status: string;
}

/**
 * Returns the id of a sale to try the service with: the demo sale that is open or scheduled, else a
 * new one. After a start a sale may not be ready yet; this waits for it.
 */
export async function ensureDemoSale(api: { url: string; adminToken: string; signal: AbortSignal }): Promise<number> {
  const demos = await loadedDemoSales(api);
  const running = demos.find(({ status }) => ['open', 'scheduled', 'paused'].includes(status));
  return running ? running.id : createDemoSale(api);
}

async function loadedDemoSales(api: { url: string; signal: AbortSignal }): Promise<Product[]> {
  const giveUpAt = performance.now() + callMsMax;
  for (;;) {
    const demos = await demoSales(api);
    const areLoaded = demos.every(({ status }) => status !== 'not_ready');
    if (areLoaded || performance.now() > giveUpAt) return demos;
    await pause(250, undefined, { signal: api.signal });
  }
}

async function demoSales(api: { url: string; signal: AbortSignal }): Promise<Product[]> {
  const demos: Product[] = [];
  let cursor = '';
  do {
    const query = new URLSearchParams({ limit: '100', ...(cursor && { cursor }) });
    const page = await call<{ items: Product[]; next_cursor?: string | number | null }>(
      `${api.url}/api/v1/products?${query.toString()}`,
      { signal: api.signal },
    );
    demos.push(...page.items.filter(({ name }) => name === demoName));
    cursor = String(page.next_cursor ?? '');
  } while (cursor !== '');
  return demos;
}

async function createDemoSale(api: { url: string; adminToken: string; signal: AbortSignal }): Promise<number> {
  const start = Date.now();
  const product = await call<Product>(`${api.url}/api/v1/admin/products`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${api.adminToken}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({
      name: demoName,
      price: 199.99,
      stock: demoStock,
      seckill_stock: demoStock,
      start_time: new Date(start).toISOString(),
      end_time: new Date(start + demoLengthMs).toISOString(),
    }),
    signal: api.signal,
  });
  return product.id;
}

async function call<Answer>(url: string, init: RequestInit & { signal: AbortSignal }): Promise<Answer> {
  const signal = AbortSignal.any([init.signal, AbortSignal.timeout(callMsMax)]);
  const response = await fetch(url, { ...init, signal });
  const body = await response.text();
  if (!response.ok) {
    throw new StartFailure(`the demo sale could not be opened: ${response.status} ${body}`);
  }
  return JSON.parse(body) as Answer;
}
