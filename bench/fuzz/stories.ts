import type { Needs } from './call.ts';
import { sandboxWebhook } from './credentials.ts';
import { FUZZED_UNITS_PER_SHOPPER, type World } from './world.ts';

/**
 * How each operation that depends on existing data succeeds. An operation without path parameters
 * and body needs no entry; any other without one is a finding.
 */
export const STORIES: Readonly<Record<string, (world: World) => Needs | Promise<Needs>>> = {
  'POST /api/v1/admin/products': ({ random }) => {
    const seckillStock = random.integer(1, 1_000);
    const startMs = Date.now() + random.integer(-1_000_000, 1_000_000);
    return {
      body: {
        name: `sale ${random.integer(1, 1_000)}`,
        price: random.integer(1, 999_999) / 100,
        seckill_stock: seckillStock,
        stock: seckillStock + random.integer(0, 1_000),
        units_per_shopper: random.integer(1, 100),
        start_time: new Date(startMs).toISOString(),
        end_time: new Date(startMs + random.integer(1, 1_000_000_000)).toISOString(),
      },
    };
  },
  'PATCH /api/v1/admin/products/{id}': async (world) => ({
    params: { id: await world.newSale() },
    body: { description: `of sale ${world.random.integer(1, 1_000)}` },
  }),
  'DELETE /api/v1/admin/products/{id}': async (world) => ({ params: { id: await world.newSale() } }),
  'POST /api/v1/admin/products/{id}/pause': ({ otherSale }) => ({ params: { id: otherSale } }),
  'POST /api/v1/admin/products/{id}/resume': ({ otherSale }) => ({ params: { id: otherSale } }),
  'POST /api/v1/admin/products/{id}/end': async (world) => ({ params: { id: await world.newSale() } }),
  'POST /api/v1/admin/products/{id}/top-up': async (world) => ({
    params: { id: await world.newSale() },
    body: { seckill_stock: 2_000_000, stock: 3_000_000 },
  }),
  'POST /api/v1/admin/products/{id}/rebuild': ({ otherSale }) => ({ params: { id: otherSale } }),
  'POST /api/v1/admin/products/{id}/audit': ({ otherSale }) => ({ params: { id: otherSale } }),
  'POST /api/v1/admin/products/{id}/repair': ({ otherSale }) => ({ params: { id: otherSale } }),
  'GET /api/v1/admin/products/{id}/stats': ({ sale }) => ({ params: { id: sale } }),
  'GET /api/v1/products/{id}': ({ sale }) => ({ params: { id: sale } }),

  // A random cursor of the right form is not valid.
  'GET /api/v1/admin/actions': () => ({ query: {} }),
  'GET /api/v1/admin/deny-list': () => ({ query: {} }),
  'POST /api/v1/admin/deny-list': (world) => ({ body: world.newDenied() }),
  'DELETE /api/v1/admin/deny-list': async (world) => ({ query: await world.denied() }),
  'POST /api/v1/dev/session': (world) => ({ body: { user_id: world.shopper() } }),

  'POST /api/v1/seckill/token': (world) => {
    const shopper = world.newShopper();
    return { ...world.as(shopper), body: world.naming(shopper, { product_id: Number(world.sale) }) };
  },
  'POST /api/v1/seckill/buy': async (world) => {
    const shopper = world.newShopper();
    const token = await world.seckillToken(shopper);
    const quantity = world.random.integer(1, FUZZED_UNITS_PER_SHOPPER);
    return { ...world.as(shopper), body: world.naming(shopper, { product_id: Number(world.sale), token, quantity }) };
  },

  'POST /api/v1/seckill/queue': (world) => {
    const shopper = world.newShopper();
    return { ...world.as(shopper), body: world.naming(shopper, { product_id: Number(world.roomSale) }) };
  },
  'GET /api/v1/seckill/queue': async (world) => {
    const { shopper, ticket } = await world.guest();
    return { ...world.as(shopper), query: { product_id: world.roomSale, ticket } };
  },

  'GET /api/v1/orders': async (world) => {
    const { shopper } = await world.order('pending_payment');
    return { ...world.as(shopper), query: {} };
  },
  'GET /api/v1/orders/{orderNo}': async (world) => {
    const { shopper, order_no: orderNo } = await world.order('pending_payment');
    return { ...world.as(shopper), params: { orderNo }, query: {} };
  },
  'POST /api/v1/orders/{orderNo}/pay': async (world) => {
    const { shopper, order_no: orderNo } = await world.order('pending_payment');
    // Webhooks are covered by an operation of their own.
    return { ...world.as(shopper), params: { orderNo }, body: world.naming(shopper, { sandbox: 'never' }) };
  },
  'POST /api/v1/orders/{orderNo}/cancel': async (world) => {
    const { shopper, order_no: orderNo } = await world.order('pending_payment', 'its last');
    return { ...world.as(shopper), params: { orderNo }, body: world.naming(shopper, {}) };
  },
  'POST /api/v1/payments/webhook/{provider}': async (world) => {
    const { payment_id: paymentId } = await world.payment();
    return sandboxWebhook(
      { event_id: `fuzz-${paymentId}`, payment_id: paymentId, kind: 'succeeded' },
      world.sandboxSecret,
    );
  },

  'GET /api/v1/admin/downloads/{id}': async (world) => ({ params: { id: await world.openDownload() } }),
  'GET /api/v1/admin/shoppers/{userId}/export': async (world) => {
    const { shopper } = await world.order('pending_payment');
    return { params: { userId: shopper }, query: {} };
  },
  // A shopper who has bought has an order in a sale that has not ended, so use a new one.
  'POST /api/v1/admin/shoppers/{userId}/erase': ({ newShopper }) => ({ params: { userId: newShopper() } }),
  'GET /api/v1/admin/orders/{orderNo}': async (world) => {
    const { order_no: orderNo } = await world.order('pending_payment');
    return { params: { orderNo } };
  },
  'POST /api/v1/admin/orders/{orderNo}/refund': async (world) => {
    const { order_no: orderNo } = await world.order('paid', 'its last');
    return { params: { orderNo } };
  },
};

/**
 * Reads that change something: exports are recorded with the reader's name, a download can be made
 * once.
 */
export const CHANGING_READS: ReadonlySet<string> = new Set([
  'GET /api/v1/admin/shoppers/{userId}/export',
  'GET /api/v1/admin/orders.csv',
  'GET /api/v1/admin/downloads/{id}',
]);

/** Requests of a valid form that must be refused because of their content. */
export const REFUSALS: Readonly<Record<string, readonly ((world: World) => Needs | Promise<Needs>)[]>> = {
  'POST /api/v1/seckill/token': [
    ({ sale, as, shopper }) => ({ ...as(shopper()), body: { user_id: 'somebody-else', product_id: Number(sale) } }),
    ({ as, shopper }) => ({ ...as(shopper()), body: { product_id: 999_999_999 } }),
  ],
  'POST /api/v1/seckill/buy': [
    ({ as, shopper, sale }) => ({ ...as(shopper()), body: { product_id: Number(sale), token: 'x.y.z' } }),
    // More units than the sale allows.
    async ({ as, newShopper, sale, seckillToken }) => {
      const shopper = newShopper();
      const quantity = FUZZED_UNITS_PER_SHOPPER + 1;
      return { ...as(shopper), body: { product_id: Number(sale), token: await seckillToken(shopper), quantity } };
    },
    // Another shopper's token, and a token for another sale.
    async ({ as, newShopper, sale, seckillToken }) => {
      const token = await seckillToken(newShopper());
      return { ...as(newShopper()), body: { product_id: Number(sale), token } };
    },
    async ({ as, newShopper, otherSale, seckillToken }) => {
      const shopper = newShopper();
      return { ...as(shopper), body: { product_id: Number(otherSale), token: await seckillToken(shopper) } };
    },
  ],
  'POST /api/v1/seckill/queue': [
    // A sale without a room.
    ({ sale, as, shopper }) => ({ ...as(shopper()), body: { product_id: Number(sale) } }),
  ],
  'GET /api/v1/seckill/queue': [
    // Another shopper's ticket, and a ticket for another sale.
    async (world) => {
      const { ticket } = await world.guest();
      return { ...world.as(world.newShopper()), query: { product_id: world.roomSale, ticket } };
    },
    async (world) => {
      const { shopper, ticket } = await world.guest();
      return { ...world.as(shopper), query: { product_id: world.sale, ticket } };
    },
  ],
  'GET /api/v1/orders/{orderNo}': [strangersOrder],
  'POST /api/v1/orders/{orderNo}/pay': [strangersOrder, cancelledOrder],
  'POST /api/v1/orders/{orderNo}/cancel': [strangersOrder],
  'POST /api/v1/admin/orders/{orderNo}/refund': [
    async (world) => ({ params: { orderNo: (await world.order('pending_payment')).order_no } }),
  ],
  'POST /api/v1/admin/shoppers/{userId}/erase': [
    async (world) => ({ params: { userId: (await world.order('pending_payment')).shopper } }),
  ],
  'POST /api/v1/payments/webhook/{provider}': [
    async (world) => {
      const { payment_id: paymentId } = await world.payment('kept');
      return sandboxWebhook({ event_id: 'forged', payment_id: paymentId, kind: 'succeeded' }, 'another secret');
    },
  ],
};

async function strangersOrder(world: World): Promise<Needs> {
  const { order_no: orderNo } = await world.order('pending_payment');
  return { ...world.as(world.newShopper()), params: { orderNo }, body: {}, query: {} };
}

async function cancelledOrder(world: World): Promise<Needs> {
  const { shopper, order_no: orderNo } = await world.order('cancelled');
  return { ...world.as(shopper), params: { orderNo }, body: {} };
}
