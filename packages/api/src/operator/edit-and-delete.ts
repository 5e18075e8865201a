import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import type { Tx } from '@flash-sale/shared/platform/mysql/client.ts';
import { priceOfCents } from '@flash-sale/shared/platform/money.ts';
import { deleteSale } from '@flash-sale/shared/reconciliation/delete.ts';
import { editSale, type SaleEdit } from '@flash-sale/shared/reconciliation/edit.ts';
import { LEASE_WAIT_MS } from '@flash-sale/shared/sale/lease.ts';
import { findSale } from '@flash-sale/shared/sale/products-table.ts';
import type { SaleWithTexts } from '@flash-sale/shared/sale/sale.ts';
import { updateAdmitPerSecond } from '@flash-sale/shared/waiting-room/gates-table.ts';
import type { AppDeps } from '../deps.ts';
import { isoOf } from '../fields.ts';
import type { Catalog } from '../sale/catalog.ts';
import { liveProduct } from '../sale/product-view.ts';
import { actionOf } from './action.ts';
import { recordAction } from './operator-actions-table.ts';
import { DeleteProduct, editOf, EditProduct, SALE_BODY_BYTES_MAX } from './sale-fields.ts';
import { held } from './under-lease.ts';

type Deps = Pick<AppDeps, 'config' | 'db' | 'leaseDb' | 'commands' | 'clock' | 'providers'> & {
  readonly catalog: Catalog;
};

/** Operators' calls that change what a sale is, or delete it. Each is recorded. */
export const editAndDeleteRoutes: FastifyPluginAsyncTypebox<Deps> = async (app, deps) => {
  const { config, db, leaseDb, commands, clock, providers, catalog } = deps;
  const path = '/api/v1/admin/products/:id';
  const changing = { onRequest: app.requireOperator('admin'), bodyLimit: SALE_BODY_BYTES_MAX };
  const underLease = { commands, db: leaseDb };

  /** From MySQL, since the catalog may be a second old. */
  async function saleOf(id: number): Promise<SaleWithTexts> {
    const sale = await findSale(db, id);
    if (sale === undefined) throw new Refusal('not_found');
    return sale;
  }

  /**
   * Changes facts of a sale, and with them the rate of its waiting room, in one transaction.
   *
   * @returns the sale as it is now, or undefined if the facts stay as they are
   */
  async function editFacts(
    request: FastifyRequest,
    sale: SaleWithTexts,
    { rate, ...facts }: Edit,
  ): Promise<SaleWithTexts | undefined> {
    let isChanged = false;
    const edited = await held(
      editSale(underLease, sale, facts, {
        waitMs: LEASE_WAIT_MS,
        priceCentsMin: providers.current.minimumCents(config.CURRENCY),
        record: async (tx, before, after) => {
          isChanged = true;
          await saveRate(tx, request, before, withRate(after, rate));
        },
      }),
    );
    return isChanged ? withRate(edited, rate) : undefined;
  }

  /** The gate reads the rate before each call, so the sale goes on meanwhile. */
  async function editRate(request: FastifyRequest, sale: SaleWithTexts, rate: Edit['rate']): Promise<SaleWithTexts> {
    const edited = withRate(sale, rate);
    if (edited.room?.admitPerSecond === sale.room?.admitPerSecond) return sale;
    if (clock(sale.shard).nowMs() >= sale.endMs) throw new Refusal('ended');
    await db.transaction().execute((tx) => saveRate(tx, request, sale, edited));
    return edited;
  }

  app.patch(path, { schema: EditProduct, ...changing }, async (request) => {
    const sale = await saleOf(request.params.id);
    const rate = request.body.waiting_room?.admit_per_second;
    const facts = editOf(request.body);
    if (rate !== undefined && sale.room === null) {
      throw new Refusal('invalid_state', { detail: 'The sale has no waiting room' });
    }
    const isOfFacts = Object.values(facts).some((fact) => fact !== undefined);
    const edited =
      (isOfFacts ? await editFacts(request, sale, { ...facts, rate }) : undefined) ??
      (await editRate(request, sale, rate));
    catalog.changed(edited);
    request.log.info({ sale: sale.id }, 'sale edited');
    return liveProduct(deps, edited);
  });

  app.delete(path, { schema: DeleteProduct, ...changing }, async (request, reply) => {
    const sale = await saleOf(request.params.id);
    await held(
      deleteSale(underLease, sale, {
        waitMs: LEASE_WAIT_MS,
        record: (tx, deleted) =>
          recordAction(tx, actionOf(request, 'delete', `product ${sale.id}`, factsView(deleted))),
      }),
    );
    catalog.deleted(sale);
    request.log.info({ sale: sale.id }, 'sale deleted');
    return reply.code(204).send(null);
  });
};

/**
 * An edit of facts, and of how many people the waiting room calls per second; undefined: as before.
 */
type Edit = SaleEdit & { readonly rate: number | null | undefined };

function withRate(sale: SaleWithTexts, rate: Edit['rate']): SaleWithTexts {
  return rate === undefined || sale.room === null ? sale : { ...sale, room: { ...sale.room, admitPerSecond: rate } };
}

/** Saves the rate of `after` if it is new, and records the whole change. */
async function saveRate(tx: Tx, request: FastifyRequest, before: SaleWithTexts, after: SaleWithTexts): Promise<void> {
  if (after.room !== null && after.room.admitPerSecond !== before.room?.admitPerSecond) {
    await updateAdmitPerSecond(tx, after.id, after.room.admitPerSecond);
  }
  await recordAction(tx, actionOf(request, 'edit', `product ${after.id}`, changeView(before, after)));
}

/** The facts of a sale under their names in the API. */
function factsView(sale: SaleWithTexts): Readonly<Record<string, string | number | null>> {
  return {
    name: sale.name,
    price: priceOfCents(sale.priceCents),
    units_per_shopper: sale.unitsPerShopper,
    start_time: isoOf(sale.startMs),
    end_time: isoOf(sale.endMs),
    description: sale.description,
    image_url: sale.imageUrl,
    ...(sale.room === null
      ? {}
      : { 'waiting_room.opens_at': isoOf(sale.room.opensAtMs), admit_per_second: sale.room.admitPerSecond }),
  };
}

/** What has changed, and what it was before. */
function changeView(before: SaleWithTexts, after: SaleWithTexts): object {
  const [old, now] = [factsView(before), factsView(after)];
  const changed = Object.keys(now).filter((name) => now[name] !== old[name]);
  const only = (facts: typeof now) => Object.fromEntries(changed.map((name) => [name, facts[name]]));
  return { ...only(now), instead_of: only(old) };
}
