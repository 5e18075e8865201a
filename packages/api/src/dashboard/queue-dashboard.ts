import { createBullBoard } from '@bull-board/api';
import type { Queue } from 'bullmq';
import type { AppQueue } from '@bull-board/api/typings/app';
import { FastifyAdapter } from '@bull-board/fastify';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { recordAction } from '../operator/operator-actions-table.ts';
import { listShards } from '@flash-sale/shared/sale/products-table.ts';
import type { OrderQueues } from '@flash-sale/shared/admission/order-queues.ts';
import type { WriteOrdersJob } from '@flash-sale/shared/admission/order-jobs.ts';
import { answers } from '@flash-sale/shared/platform/telemetry/ops-server.ts';
import type { AppDeps } from '../deps.ts';
import { PROBLEM_JSON } from '../plugins/problems.ts';
import { PAGE_POLICY } from '../plugins/safe-headers.ts';
import { OrdersAdapter } from './orders-adapter.ts';

export const DASHBOARD_PATH = '/admin/queues';

/**
 * Everything an operator can do here, by the path of the call. Retry and promote only speed up what
 * happens anyway. All other buttons of the page (add, edit, remove, pause, obliterate) are refused:
 * jobs are created from reservations, and would be added again.
 */
const ACTIONS: ReadonlyMap<string, string> = new Map([
  ['/api/queues/:queueName/:jobId/retry', 'retry'],
  ['/api/queues/:queueName/:jobId/promote', 'promote'],
  ['/api/queues/:queueName/retry/:queueStatus', 'retry_all'],
  ['/api/queues/:queueName/promote', 'promote_all'],
]);

/** More jobs per page would block this process, which also serves shoppers. */
const JOBS_PER_PAGE_MAX = 50;
const POLL_S = 5;
/**
 * The page loads fonts from Google. Our policy refuses that, with an error in the console, so it
 * uses the system's fonts.
 */
const ELSEWHERE = /<link\b[^>]*\bhref="https?:[^>]*>/g;
const SHARDS_FRESH_MS = 5_000;

type Deps = Pick<AppDeps, 'db' | 'operatorRedis'> & {
  /** On the operators' own connection. */
  readonly operatorQueues: OrderQueues;
};

/**
 * The dashboard of the queues, for operators. A viewer can read; an admin can also retry and
 * promote jobs, which is recorded.
 */
export const queueDashboard: FastifyPluginAsync<Deps> = async (app, { db, operatorRedis, operatorQueues }) => {
  const adapter = new FastifyAdapter().setBasePath(DASHBOARD_PATH);
  const board = createBullBoard({
    queues: [],
    serverAdapter: adapter,
    options: {
      uiConfig: {
        boardTitle: 'Flash sale queues',
        hideDocsLink: true,
        // It would ask Redis for all of its clients at each poll.
        showWorkers: false,
        pollingInterval: { forceInterval: POLL_S },
        sortQueues: true,
      },
    },
  });

  const shown = new Map<number, Queue<WriteOrdersJob>>();
  let askAgainMs = -Infinity;

  /** Shows the queue of every shard that has sales. */
  async function showShards(): Promise<void> {
    for (const shard of shown.keys()) show(shard);
    if (performance.now() < askAgainMs) return;
    for (const shard of await listShards(db)) show(shard);
    askAgainMs = performance.now() + SHARDS_FRESH_MS;
  }

  /** A queue whose start failed has been replaced meanwhile. */
  function show(shard: number): void {
    const queue = operatorQueues.of(shard);
    if (shown.get(shard) === queue) return;
    shown.set(shard, queue);
    // This replaces the earlier adapter with the same name.
    board.addQueue(new OrdersAdapter(queue, shard));
  }

  async function prepare(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | void> {
    // BullMQ would wait for Redis without a limit.
    if (operatorRedis.status !== 'ready') return reply.refuse('unavailable');
    // If MySQL does not answer, the known shards are still shown.
    await answers(showShards);
    const query = request.query as { jobsPerPage?: string };
    if (Number(query.jobsPerPage) > JOBS_PER_PAGE_MAX) query.jobsPerPage = String(JOBS_PER_PAGE_MAX);
  }

  /** Record the action before it is done: if it cannot be recorded, it is not done. */
  const record = (action: string) => async (request: FastifyRequest) => {
    const { name, role } = request.operator;
    const { queueName, jobId, queueStatus } = request.params as Record<string, string>;
    const subject = jobId === undefined ? `queue ${queueName}` : `job ${jobId}`;
    const detail = { queue: queueName, ...(queueStatus === undefined ? {} : { status: queueStatus }) };
    await recordAction(db, { operator: name, role, action, subject, detail });
    request.log.info({ operator: name, role, action, subject }, 'operator changed a queue');
  };
  const refuse = async (_request: FastifyRequest, reply: FastifyReply) =>
    reply.refuse('forbidden', { detail: 'The dashboard can only retry and promote jobs' });

  // Set the required role by path and method when the routes are added, so that none is missed.
  app.addHook('onRoute', (route) => {
    const path = route.url.slice(DASHBOARD_PATH.length);
    const isRead = [route.method].flat().every((method) => method === 'GET' || method === 'HEAD');
    const action = ACTIONS.get(path);
    route.onRequest = app.requireOperator(isRead ? 'viewer' : 'admin');
    route.preHandler = [
      ...(isRead || action !== undefined ? [] : [refuse]),
      ...(path.startsWith('/api/') ? [prepare] : []),
      ...(action === undefined ? [] : [record(action)]),
    ];
    // The adapter's own handler would show the driver's error.
    route.errorHandler = app.errorHandler;
  });
  app.addHook('onSend', async (request, reply, payload) => {
    reply.header('content-security-policy', PAGE_POLICY);
    if (typeof payload === 'string' && String(reply.getHeader('content-type')).startsWith('text/html')) {
      // All URLs of the page are relative to its base.
      const base = `<base href="${request.basePath}${DASHBOARD_PATH}`;
      return payload.replace(`<base href="${DASHBOARD_PATH}`, base).replaceAll(ELSEWHERE, '');
    }
    if (reply.getHeader('content-type') !== PROBLEM_JSON) return payload;
    // The page shows these two fields of a refusal.
    const problem = JSON.parse(payload as string) as { readonly title: string; readonly detail?: string };
    return JSON.stringify({ ...problem, error: problem.title, message: problem.detail });
  });
  app.addHook('preSerialization', async (request, _reply, payload) => {
    if (request.operator?.role !== 'viewer' || !hasQueues(payload)) return payload;
    // Removes the buttons. The calls behind them are refused as well.
    return {
      ...payload,
      queues: payload.queues.map((queue) => ({ ...queue, readOnlyMode: true, allowRetries: false })),
    };
  });

  await app.register(adapter.registerPlugin());
};

function hasQueues(payload: unknown): payload is { readonly queues: readonly AppQueue[] } {
  return typeof payload === 'object' && payload !== null && 'queues' in payload && Array.isArray(payload.queues);
}
