import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { SaleWithTexts } from '@flash-sale/shared/sale/sale.ts';
import { PRODUCT_CACHE_MS, type Catalog } from './catalog.ts';
import type { AppDeps } from '../deps.ts';
import { idOfCursor, LIMIT_DEFAULT, nextCursor } from '../fields.ts';
import { liveOf, productOf, type Product } from './product-view.ts';
import { GetProduct, ListProducts } from './schema.ts';

/** Sales for shoppers. They stay readable while Redis does not answer, without live counts. */
export const productRoutes: FastifyPluginAsyncTypebox<
  Pick<AppDeps, 'commands' | 'clock'> & { readonly catalog: Catalog; readonly cacheMs?: number | undefined }
> = async (app, { catalog, commands, clock, cacheMs = PRODUCT_CACHE_MS }) => {
  const withLive = async (sale: SaleWithTexts) => {
    const live = await liveOf(commands, sale);
    if (live === undefined) return productOf(sale, { nowMs: clock(sale.shard).nowMs() });
    // An operator's change must show in every process, not only in the one that made it.
    return productOf(await catalog.saleSince(sale, live.version), live);
  };
  /**
   * Keyed by the reading of the row, so that a change by this process, or one that it reads, shows
   * at once.
   */
  const answers = new WeakMap<SaleWithTexts, { readonly untilMs: number; readonly product: Promise<Product> }>();
  /**
   * A crowd that waits for the start reads again and again: one call to Redis serves all readers
   * within `cacheMs`.
   */
  const answerOf = (sale: SaleWithTexts): Promise<Product> => {
    const known = answers.get(sale);
    if (known !== undefined && performance.now() < known.untilMs) return known.product;
    const product = withLive(sale);
    answers.set(sale, { untilMs: performance.now() + cacheMs, product });
    product.catch(() => answers.delete(sale));
    return product;
  };

  app.get('/api/v1/products', { schema: ListProducts, onRequest: app.limitAddress }, async (request) => {
    const { limit = LIMIT_DEFAULT, cursor } = request.query;
    const sales = await catalog.list({ limit, beforeId: idOfCursor(cursor) });
    const items = await Promise.all(sales.map(answerOf));
    return { items, next_cursor: nextCursor(sales, limit, ({ id }) => String(id)) };
  });

  app.get('/api/v1/products/:id', { schema: GetProduct, onRequest: app.limitAddress }, async (request, reply) => {
    const sale = await catalog.sale(request.params.id);
    return sale === undefined ? reply.refuse('not_found') : answerOf(sale);
  });
};
