import { setTimeout as pause } from 'node:timers/promises';
import { Client, inParallel } from '../load/client.ts';
import { closedLoop } from '../load/closed-loop.ts';
import { get } from '../load/request.ts';
import { latencyFigures } from '../load/statistics.ts';
import { prefixed } from './accept.ts';
import { newShoppers, openSale, orderNoOf, planBuys, type HeadersOf, type Sale } from './sale.ts';
import { assertExpected, Broken, CONNECTIONS, type Figures, type Size } from './scenario.ts';
import { journey, reads, type Target } from './shopping.ts';

const POLLED_MAX = 500;
const WAIT_S = 20;

/**
 * Measures a running service by HTTP alone: buys, buys after the last unit, a mixed sale, and
 * reads. Without servers of its own there is nothing to compare with, and the audit covers only
 * what a shopper can see: the available units, and the outcome of the orders.
 */
export async function measureRemote(
  service: { readonly url: string; readonly operatorToken: string; readonly headersOf?: HeadersOf },
  size: Size,
  progress: (what: string) => void,
): Promise<Figures> {
  const target: Target = { ...service, audit: (sale, accepted) => auditRemote(service, sale, accepted) };
  const { url, operatorToken, headersOf } = service;
  progress('accept');
  const sale = await openSale(url, operatorToken, size.buys);
  const requests = await planBuys(url, sale, newShoppers(size.buys + POLLED_MAX), headersOf);
  const orders: string[] = [];
  const accept = await closedLoop({
    urls: [url],
    connections: CONNECTIONS,
    requests: requests.splice(0, size.buys),
    expected: 202,
    onBody: (body) => {
      const orderNo = orderNoOf(body);
      if (orderNo !== undefined) orders.push(orderNo);
    },
  });
  assertExpected('buys (does the service allow that many? RATE_LIMIT_*)', accept.unexpected, size.buys);
  await target.audit(sale, orders);
  progress('sold_out');
  const soldOut = await closedLoop({
    urls: [url],
    connections: CONNECTIONS,
    requests,
    amount: size.reads,
    expected: 409,
  });
  assertExpected('the sold-out sale', soldOut.unexpected, size.reads);
  progress('journey');
  const shopped = await journey(target, size);
  progress('poll, products');
  return {
    'accept.per_second': accept.perSecond,
    ...prefixed('accept', latencyFigures(accept.latenciesMs)),
    'sold_out.per_second': soldOut.perSecond,
    ...shopped,
    ...(headersOf === undefined ? await reads(target, size, orders) : {}),
  };
}

/** Every missing unit is an accepted order, and every polled order has an outcome. */
async function auditRemote(
  { url, headersOf = () => ({}) }: Pick<Target, 'url' | 'headersOf'>,
  sale: Sale,
  accepted: readonly string[],
): Promise<void> {
  const client = new Client([url], CONNECTIONS);
  try {
    const orders = [...new Set(accepted)];
    const unsettled: string[] = [];
    await inParallel(Math.min(POLLED_MAX, orders.length), CONNECTIONS, async (i) => {
      // In jwt mode only its shopper may read an order, so the poll is left out.
      if (Object.keys(headersOf('')).length > 0) return;
      const answer = await client.call(get(`/api/v1/orders/${orders[i]!}?wait=${WAIT_S}`));
      if (!answer.body.includes('"pending_payment"')) unsettled.push(`${orders[i]!} ${answer.status}`);
    });
    if (unsettled.length > 0)
      throw new Broken([`${unsettled.length} orders were not settled, such as ${unsettled[0]}`]);
    const left = await availableOf(client, sale);
    if (left !== sale.units - orders.length) {
      throw new Broken([`${left} of ${sale.units} units are left after ${orders.length} orders`]);
    }
  } finally {
    await client.close();
  }
}

/** Reads again after the time for which the service may reuse its answer. */
async function availableOf(client: Client, sale: Sale): Promise<number | null> {
  await client.call(get(`/api/v1/products/${sale.id}`));
  await pause(1_000);
  const { body } = await client.call(get(`/api/v1/products/${sale.id}`));
  return (JSON.parse(body) as { available: number | null }).available;
}
