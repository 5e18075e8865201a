import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { FastifyRequest } from 'fastify';
import type { Job } from 'bullmq';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import type { Sale } from '@flash-sale/shared/sale/sale.ts';
import { recordAction } from './operator-actions-table.ts';
import { findSale, listSales, listShards, readSold } from '@flash-sale/shared/sale/products-table.ts';
import type { OrderQueues } from '@flash-sale/shared/admission/order-queues.ts';
import { auditAndRepair } from '@flash-sale/shared/reconciliation/audit-and-repair.ts';
import type { WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import { auditJson, auditSale } from '@flash-sale/shared/reconciliation/audit.ts';
import { endSale, topUpSale, type ChangeOptions } from '@flash-sale/shared/reconciliation/change.ts';
import { LEASE_WAIT_MS } from '@flash-sale/shared/sale/lease.ts';
import { rebuildSale } from '@flash-sale/shared/reconciliation/rebuild.ts';
import type { Catalog } from '../sale/catalog.ts';
import type { AppDeps } from '../deps.ts';
import type { TokenSecrets } from '../seckill/token-secrets.ts';
import { idOfCursor, isoOf, LIMIT_DEFAULT, nextCursor } from '../fields.ts';
import { liveOf, liveProduct, productOf } from '../sale/product-view.ts';
import { actionOf } from './action.ts';
import { held } from './under-lease.ts';
import {
  AuditSale,
  EndSale,
  ListJobs,
  ListSales,
  RebuildSale,
  RepairSale,
  RotateTokenSecret,
  TopUpSale,
} from './sale-operations-schema.ts';

const JOB_STATES = ['active', 'delayed', 'waiting'] as const;

type Deps = Pick<AppDeps, 'db' | 'leaseDb' | 'redis' | 'operatorRedis' | 'keys' | 'commands' | 'clock'> & {
  /** On the operators' own connection. */
  readonly operatorQueues: OrderQueues;
  readonly catalog: Catalog;
  readonly secrets: TokenSecrets;
};

/** Operators' calls on running sales. Each change is recorded. */
export const operationRoutes: FastifyPluginAsyncTypebox<Deps> = async (app, deps) => {
  const { db, leaseDb, redis, operatorRedis, operatorQueues, keys, commands, clock, catalog, secrets } = deps;
  const reading = { onRequest: app.requireOperator('viewer') };
  const changing = { onRequest: app.requireOperator('admin') };
  const underLease = { commands, db: leaseDb, redis, keys };

  /** From MySQL, since the catalog may be a second old. */
  async function saleOf(id: number): Promise<Sale> {
    const sale = await findSale(db, id);
    if (sale === undefined) throw new Refusal('not_found');
    return sale;
  }

  /** The options to make and record a change of a sale. */
  const recorded = (
    request: FastifyRequest,
    action: string,
    detailOf: (before: Sale, after: Sale) => object,
  ): ChangeOptions => ({
    waitMs: LEASE_WAIT_MS,
    record: (tx, before, after) =>
      recordAction(tx, actionOf(request, action, `product ${before.id}`, detailOf(before, after))),
  });

  app.get('/api/v1/admin/products', { schema: ListSales, ...reading }, async (request) => {
    const { limit = LIMIT_DEFAULT, cursor } = request.query;
    const sales = await listSales(db, limit, idOfCursor(cursor));
    const sold = await readSold(
      db,
      sales.map(({ id }) => id),
    );
    const items = await Promise.all(
      sales.map(async (sale) => {
        const live = await liveOf(commands, sale);
        return {
          ...productOf(sale, live ?? { nowMs: clock(sale.shard).nowMs() }),
          shard: sale.shard,
          held: live?.held ?? null,
          backlog: live?.backlog ?? null,
          sold: sold.get(sale.id) ?? 0,
        };
      }),
    );
    return { items, next_cursor: nextCursor(sales, limit, ({ id }) => String(id)) };
  });

  app.post('/api/v1/admin/products/:id/end', { schema: EndSale, ...changing }, async (request) => {
    const sale = await saleOf(request.params.id);
    const options = recorded(request, 'end', (before, after) => ({
      end_time: isoOf(after.endMs),
      instead_of: isoOf(before.endMs),
    }));
    const ended = await held(endSale(underLease, sale, options));
    catalog.changed(ended);
    return liveProduct(deps, ended);
  });

  app.post('/api/v1/admin/products/:id/top-up', { schema: TopUpSale, ...changing }, async (request) => {
    const sale = await saleOf(request.params.id);
    const { seckill_stock: seckillStock, stock } = request.body;
    const options = recorded(request, 'top_up', (before, after) => ({
      seckill_stock: after.seckillStock,
      instead_of: before.seckillStock,
    }));
    const raised = await held(topUpSale(underLease, sale, { seckillStock, stock }, options));
    catalog.changed(raised);
    return liveProduct(deps, raised);
  });

  app.post('/api/v1/admin/products/:id/rebuild', { schema: RebuildSale, ...changing }, async (request) => {
    const sale = await saleOf(request.params.id);
    if (sale.cleaned)
      throw new Refusal('ended', { detail: 'The sale ended more than 24 hours ago and cannot be rebuilt any more' });
    await recordAction(db, actionOf(request, 'rebuild', `product ${sale.id}`));
    const rebuilt = await held(rebuildSale(underLease, sale, LEASE_WAIT_MS));
    return { ...(await liveProduct(deps, rebuilt.sale)), held: rebuilt.held };
  });

  app.post('/api/v1/admin/products/:id/audit', { schema: AuditSale, ...changing }, async (request) => {
    const sale = await saleOf(request.params.id);
    await recordAction(db, actionOf(request, 'audit', `product ${sale.id}`));
    return auditJson(await held(auditSale(underLease, sale, { waitMs: LEASE_WAIT_MS, thorough: true })));
  });

  app.post('/api/v1/admin/products/:id/repair', { schema: RepairSale, ...changing }, async (request) => {
    const sale = await saleOf(request.params.id);
    await recordAction(db, actionOf(request, 'repair', `product ${sale.id}`));
    const { audit, outcome } = await held(auditAndRepair({ ...underLease, queue: operatorQueues.of }, sale));
    if (outcome === 'lease held elsewhere') throw new Refusal('overloaded');
    return { ...auditJson(audit), repaired: outcome === 'repaired' };
  });

  app.get('/api/v1/admin/jobs', { schema: ListJobs, ...reading }, async (request) => {
    const { limit = LIMIT_DEFAULT } = request.query;
    // BullMQ would wait for Redis without a limit.
    if (operatorRedis.status !== 'ready') throw new Refusal('unavailable');
    const shards = await listShards(db);
    const found = await Promise.all(
      shards.map(async (shard) => {
        const queue = operatorQueues.of(shard);
        const jobs = await Promise.all(
          JOB_STATES.map(async (state) =>
            (await queue.getJobs([state], 0, limit - 1, true)).flatMap((job) => jobView(job, state)),
          ),
        );
        return { counts: await queue.getJobCounts(...JOB_STATES), jobs: jobs.flat() };
      }),
    );
    const sum = (state: (typeof JOB_STATES)[number]) =>
      found.reduce((total, { counts }) => total + (counts[state] ?? 0), 0);
    const items = found
      .flatMap(({ jobs }) => jobs)
      .toSorted((a, b) => b.attempts - a.attempts || a.added_at.localeCompare(b.added_at));
    return {
      counts: { active: sum('active'), waiting: sum('waiting'), delayed: sum('delayed') },
      items: items.slice(0, limit),
    };
  });

  app.post('/api/v1/admin/token-secrets/rotate', { schema: RotateTokenSecret, ...changing }, async (request) => {
    const { keyId, signsFrom, previousUntil } = await secrets.rotate((tx, rotation) =>
      recordAction(tx, actionOf(request, 'rotate', 'token secrets', { key_id: rotation.keyId })),
    );
    return { key_id: keyId, signs_from: isoOf(signsFrom.getTime()), previous_until: isoOf(previousUntil.getTime()) };
  });
};

/** A job, once for each of its batches. */
function jobView({ id, data, attemptsMade, failedReason, timestamp }: Job<WriteOrdersJob>, state: string) {
  return data.batches.map(({ sale_id: saleId, orders }) => ({
    job_id: id ?? '',
    state: state as (typeof JOB_STATES)[number],
    shard: data.shard,
    sale_id: saleId,
    orders: orders ?? null,
    attempts: attemptsMade,
    error: failedReason ?? null,
    added_at: isoOf(timestamp),
  }));
}
