import { Client, inParallel, type Answer } from '../load/client.ts';
import { closedLoop } from '../load/closed-loop.ts';
import { get, post } from '../load/request.ts';
import { latencyFigures } from '../load/statistics.ts';
import { prefixed } from './accept.ts';
import { perEach, type SpentJson } from './costs.ts';
import { newShoppers, openSale, orderNoOf, tokenOf, tokenRequest, type HeadersOf, type Sale } from './sale.ts';
import { assertExpected, Broken, CONNECTIONS, type Figures, type Size } from './scenario.ts';

/** A service to test, known only by its address. */
export interface Target {
  readonly url: string;
  readonly operatorToken: string;
  readonly headersOf?: HeadersOf;
  /** Throws `Broken` unless these are exactly the orders of the sale. */
  readonly audit: (sale: Sale, accepted: readonly string[]) => Promise<void>;
  /** The CPU time used until now, if it is known. */
  readonly spent?: () => Promise<SpentJson>;
}

const POLL_WAIT_S = 10;
const DOUBLE_CLICK_EVERY = 10;

/**
 * The whole journey of a shopper: token, buy (one in ten sends it twice), polls until the order is
 * settled. Half of the shoppers find nothing left.
 */
export async function journey(target: Target, size: Size): Promise<Figures> {
  const { url, operatorToken, headersOf = () => ({}) } = target;
  const shoppers = newShoppers(size.journeyShoppers);
  const sale = await openSale(url, operatorToken, Math.ceil(shoppers.length / 2));
  const client = new Client([url], CONNECTIONS + 20);
  const accepted = new Set<string>();
  const findings: string[] = [];
  const latencies = { token: [] as number[], buy: [] as number[], poll: [] as number[] };
  const timed = async (kind: keyof typeof latencies, request: Parameters<Client['call']>[0]): Promise<Answer> => {
    const sentMs = performance.now();
    const answer = await client.call(request);
    latencies[kind].push(performance.now() - sentMs);
    return answer;
  };

  const before = await target.spent?.();
  const begunMs = performance.now();
  await inParallel(shoppers.length, CONNECTIONS, async (i) => {
    const userId = shoppers[i]!;
    const headers = headersOf(userId);
    const claim = { user_id: userId, product_id: sale.id };
    const issued = await timed('token', tokenRequest(sale, userId, headers));
    if (issued.status !== 200) return void findings.push(`a seckill token was refused: ${issued.status}`);
    const buy = post('/api/v1/seckill/buy', { ...claim, token: tokenOf(issued.body) ?? '' }, headers);
    const clicks = i % DOUBLE_CLICK_EVERY === 0 ? 2 : 1;
    const answers = await Promise.all(Array.from({ length: clicks }, () => timed('buy', buy)));
    const numbers = new Set(answers.map(({ body }) => orderNoOf(body)));
    if (numbers.size > 1) findings.push(`two clicks were answered ${[...numbers].join(' and ')}`);
    const [orderNo] = numbers;
    if (orderNo === undefined) {
      if (answers[0]!.status !== 409) findings.push(`a buy was answered ${answers[0]!.status}`);
      return;
    }
    accepted.add(orderNo);
    const order = await timed('poll', get(`/api/v1/orders/${orderNo}?wait=${POLL_WAIT_S}`, headers));
    if (!order.body.includes('"pending_payment"')) findings.push(`a poll was answered ${order.status} ${order.body}`);
  });
  const tookMs = performance.now() - begunMs;
  const after = await target.spent?.();
  await client.close();
  if (findings.length > shoppers.length * 0.01) throw new Broken(findings.slice(0, 3));
  await target.audit(sale, [...accepted]);
  const p99 = (values: readonly number[]): number => latencyFigures(Float64Array.from(values)).p99_ms;
  return {
    'journey.shoppers_per_second': (shoppers.length * 1_000) / tookMs,
    'journey.token_p99_ms': p99(latencies.token),
    'journey.buy_p99_ms': p99(latencies.buy),
    'journey.poll_p99_ms': p99(latencies.poll),
    ...(before && after ? prefixed('journey', perEach(before, after, shoppers.length, 'shopper')) : {}),
  };
}

const POLLED_MAX = 10_000;

/** Reads settled orders and products, one product and the list in turn. */
export async function reads(target: Target, size: Size, orders: readonly string[]): Promise<Figures> {
  const sale = await openSale(target.url, target.operatorToken, 10);
  const planned = {
    poll: orders.slice(0, POLLED_MAX).map((orderNo) => get(`/api/v1/orders/${orderNo}`)),
    products: [get(`/api/v1/products/${sale.id}`), get('/api/v1/products?limit=20')],
  };
  const figures: Figures = {};
  for (const [name, requests] of Object.entries(planned)) {
    const { perSecond, unexpected } = await closedLoop({
      urls: [target.url],
      connections: CONNECTIONS,
      requests,
      amount: size.reads,
      expected: 200,
    });
    assertExpected(name, unexpected, size.reads);
    figures[`${name}.per_second`] = perSecond;
  }
  return figures;
}
