import { createBullBoard } from '@bull-board/api';
import type { Queue } from 'bullmq';
import type { AppQueue } from '@bull-board/api/typings/app';
import { FastifyAdapter } from '@bull-board/fastify';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { recordAction } from '@flash-sale/shared/operator/operator-actions-table.ts';
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
 * Everything an operator can do here, by the path of the call. Retry and promote only hurry what happens anyway. All else that the page has
 * buttons for (add, edit, remove, pause, obliterate) is refused: jobs are made from reservations, and would come back.
 */
const ACTIONS: ReadonlyMap<string, string> = new Map([
  ['/api/queues/:queueName/:jobId/retry', 'retry'],
  ['/api/queues/:queueName/:jobId/promote', 'promote'],
  ['/api/queues/:queueName/retry/:queueStatus', 'retry_all'],
  ['/api/queues/:queueName/promote', 'promote_all'],
]);

/** More jobs on a page would keep this process, which also serves shoppers, from its work. */
const JOBS_PER_PAGE_MAX = 50;
const POLL_S = 5;
/** The page would have fonts from Google, which our policy refuses with an error in the console; those of the system serve. */
const ELSEWHERE = /<link\b[^>]*\bhref="https?:[^>]*>/g;
const SHARDS_FRESH_MS = 5_000;

type Deps = Pick<AppDeps, 'db' | 'operatorRedis'> & {
  /** On the operators' own connection. */
  readonly operatorQueues: OrderQueues;
};

/** The dashboard of the queues, for operators: a viewer sees, an admin also retries and promotes, which is recorded. */
export const queueDashboard: FastifyPluginAsync<Deps> = async (app, { db, operatorRedis, operatorQueues }) => {
  const adapter = new FastifyAdapter().setBasePath(DASHBOARD_PATH);
  const board = createBullBoard({
    queues: [],
    serverAdapter: adapter,
    options: {
      uiConfig: {
        boardTitle: 'Flash sale queues',
        hideDocsLink: true,
        // Asks Redis for all of its clients at each poll.
        showWorkers: false,
        pollingInterval: { forceInterval: POLL_S },
        sortQueues: true,
      },
    },
  });

  const shown = new Map<number, Queue<WriteOrdersJob>>();
  let look_again_ms = -Infinity;

  /** Shows the queue of every shard that has sales. */
  async function showShards(): Promise<void> {
    for (const shard of shown.keys()) show(shard);
    if (performance.now() < look_again_ms) return;
    for (const shard of await listShards(db)) show(shard);
    look_again_ms = performance.now() + SHARDS_FRESH_MS;
  }

  /** One whose start failed has been replaced since. */
  function show(shard: number): void {
    const queue = operatorQueues.of(shard);
    if (shown.get(shard) === queue) return;
    shown.set(shard, queue);
    // Of the same name as the one before, which it replaces.
    board.addQueue(new OrdersAdapter(queue, shard));
  }

  async function prepare(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | void> {
    // BullMQ would wait for a Redis that is away for as long as that takes.
    if (operatorRedis.status !== 'ready') return reply.refuse('unavailable');
    // While MySQL is away the shards that are known go on being shown.
    await answers(showShards);
    const query = request.query as { jobsPerPage?: string };
    if (Number(query.jobsPerPage) > JOBS_PER_PAGE_MAX) query.jobsPerPage = String(JOBS_PER_PAGE_MAX);
  }

  /** Before it is done: what cannot be recorded is not done. */
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

  // Who may call what is decided by path and method as the routes come in, so that none is forgotten.
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
    // The adapter's own would tell what the driver said.
    route.errorHandler = app.errorHandler;
  });
  app.addHook('onSend', async (request, reply, payload) => {
    reply.header('content-security-policy', PAGE_POLICY);
    if (typeof payload === 'string' && String(reply.getHeader('content-type')).startsWith('text/html')) {
      // All that the page loads and calls is relative to its base.
      const base = `<base href="${request.basePath}${DASHBOARD_PATH}`;
      return payload.replace(`<base href="${DASHBOARD_PATH}`, base).replaceAll(ELSEWHERE, '');
    }
    if (reply.getHeader('content-type') !== PROBLEM_JSON) return payload;
    // These two are what the page shows of a refusal.
    const problem = JSON.parse(payload as string) as { readonly title: string; readonly detail?: string };
    return JSON.stringify({ ...problem, error: problem.title, message: problem.detail });
  });
  app.addHook('preSerialization', async (request, _reply, payload) => {
    if (request.operator?.role !== 'viewer' || !hasQueues(payload)) return payload;
    // Takes the buttons away; the calls behind them are refused all the same.
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
