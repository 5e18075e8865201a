import type { Violation } from '../checker/record.ts';

/** A build that breaks a promise on purpose, by one text patch of one file. */
export interface BrokenBuild {
  readonly name: string;
  readonly what: string;
  readonly file: string;
  /** Must be in the file exactly once. */
  readonly find: string;
  readonly replace: string;
  /** At least one of these must be reported. */
  readonly promises: readonly Violation['promise'][];
  /** The faults that reveal it. Rounds with them are repeated until one does. */
  readonly faults: readonly string[];
}

const ADMIT = 'packages/shared/src/admission/admit.lua';

export const BROKEN_BUILDS: readonly BrokenBuild[] = [
  {
    name: 'admit_not_idempotent',
    what: 'an admission that runs twice takes two units',
    file: ADMIT,
    find: `  for i = 1, batch.count do
    batch.words[i] = line_of(stored, batch.order_nos[i]) and 'accepted' or 'unavailable'
  end
  return true
`,
    replace: `  redis.call('HDEL', batch.owners_key, unpack(batch.users))
  for i = 1, batch.count do
    redis.call('HSET', batch.tokens_keys[1], batch.users[i], '9999999999999 ' .. batch.tokens[i])
  end
  return false
`,
    promises: [2],
    faults: ['redis_reply_dropped'],
  },
  {
    name: 'twice_in_a_batch',
    what: 'a shopper who is twice in one micro-batch gets two units',
    file: ADMIT,
    find: `  batch.owner_of[user], batch.token_of[user] = entry, nil\n`,
    replace: '',
    promises: [2, 8],
    faults: ['redis_delayed'],
  },
  {
    name: 'no_fence_in_mysql',
    what: 'a stamp does not have to be higher than the one before',
    file: 'packages/shared/src/sale/stamps-table.ts',
    find: `\n    .where('fence', '<', fence)`,
    replace: '',
    promises: [9, 2],
    faults: ['writer_asleep_redis_emptied'],
  },
  {
    name: 'no_fence_in_redis',
    what: 'scripts under a lease do not ask whose it is',
    file: 'packages/shared/src/platform/redis/prelude.lua',
    find: `return redis.call('GET', key) == mine`,
    replace: 'return true',
    promises: [9, 2],
    faults: ['rebuilder_asleep'],
  },
  {
    name: 'give_back_unguarded',
    what: 'a unit goes back although the owner entry does not name its order',
    file: 'packages/shared/src/order/give_back.lua',
    find: `named == order_no`,
    replace: 'true',
    promises: [2, 1],
    faults: ['rows_refused'],
  },
  {
    name: 'give_back_one',
    what: 'of an order of several units only one goes back',
    file: 'packages/shared/src/order/give_back.lua',
    find: `units + (tonumber(quantity) or 1)`,
    replace: `units + 1`,
    promises: [2, 3],
    faults: ['script_flush'],
  },
  {
    name: 'write_without_reservation',
    what: 'a worker writes the reservations that it remembers, whether Redis has them or not',
    file: 'packages/worker/src/order-writer/outbox-drain.ts',
    find: `this.#ledgerHealth.watch(this.#ledger.write(reservations))`,
    replace: `(async () => {
        const kept = ((globalThis as { kept?: Map<string, HeldReservation> }).kept ??= new Map<string, HeldReservation>());
        for (const reservation of reservations) kept.set(reservation.orderNo, reservation);
        const mine = [...kept.values()].filter(({ orderNo }) => orderNo.endsWith(\`-\${sale.id}\`));
        const written = await this.#ledger.write(mine);
        for (const { orderNo } of mine) kept.delete(orderNo);
        return written;
      })()`,
    promises: [2, 5, 6],
    faults: ['backlog_redis_emptied'],
  },
  {
    name: 'relay_off',
    what: 'nobody adds the jobs again that were lost',
    file: 'packages/worker/src/start.ts',
    find: `      relay({ ...ofShard, queue: queues.of }),\n`,
    replace: `      { name: 'relay', intervalMs: 1_000, round: () => Promise.resolve(void [relay, queues]) },\n`,
    promises: [5, 11],
    faults: ['jobs_lost'],
  },
  {
    name: 'case_folded_owner',
    what: '`u1` and `U1` are one owner',
    file: ADMIT,
    find: `order_nos[count], users[count] = order_no, user`,
    replace: `order_nos[count], users[count] = order_no, string.lower(user)`,
    promises: [4],
    faults: ['script_flush'],
  },
  {
    name: 'rebuild_ignores_reservations',
    what: 'a rebuild knows the ledger only',
    file: 'packages/shared/src/reconciliation/rebuild.ts',
    find: `.filter(({ orderNo }) => !written.has(orderNo))`,
    replace: `.filter(({ orderNo }) => orderNo === '' && !written.has(orderNo))`,
    promises: [6, 8],
    faults: ['backlog_redis_killed'],
  },
  {
    name: 'close_without_return',
    what: 'a cancelled, expired or refunded order leaves no return, so that nobody gives its unit back',
    file: 'packages/shared/src/order-moves/order-transitions.ts',
    find: `    await insertStockReturns(tx, found, now.getTime());\n`,
    replace: `    void insertStockReturns;\n`,
    promises: [3],
    faults: ['script_flush'],
  },
  {
    name: 'queue_kept_after_failed_start',
    what: 'a queue that could not be opened is kept, and rejects every later call',
    file: 'packages/shared/src/admission/order-queues.ts',
    find: `      if (queues.get(shard) === queue) queues.delete(shard);\n`,
    replace: '',
    promises: [3, 5, 11],
    faults: ['frozen_at_first_use'],
  },
  {
    name: 'frozen_keeps_locks',
    what: 'MySQL keeps the locks of a frozen process for as long as it likes',
    file: 'packages/shared/src/platform/mysql/session.ts',
    find: '    `wait_timeout = ${clientSilenceSeconds}`,\n',
    replace: '    `wait_timeout = ${clientSilenceSeconds + 3_600}`,\n',
    promises: [11],
    faults: ['frozen_in_transaction'],
  },
  {
    name: 'history_is_a_process',
    what: 'what Redis has loaded is known by the process that loaded it',
    file: 'packages/shared/src/platform/redis/prelude.lua',
    find: `redis.call('INFO', 'replication'), 'master_replid:(%x+)'`,
    replace: `redis.call('INFO', 'server'), 'run_id:(%x+)'`,
    promises: [1, 2, 3, 5, 8],
    faults: ['redis_failed_over_twice'],
  },
  {
    name: 'lead_outlives_its_leader',
    what: 'a process that froze leads the services of the ledger for an hour more',
    file: 'packages/worker/src/services/service-leads-table.ts',
    find: `const lifeUs = lifeMs * 1_000;`,
    replace: `const lifeUs = lifeMs * 1_000 * 1_200;`,
    promises: [11],
    faults: ['frozen_in_transaction'],
  },
  {
    name: 'written_is_told_queued',
    what: 'if the ledger does not answer, a poll gets `queued`, whether the order is written or not',
    file: 'packages/api/src/order/order-reader.ts',
    find: `asksLedger ? await this.#writtenSoon(orderNo) : undefined`,
    replace: `asksLedger ? await this.#writtenSoon(orderNo).catch(() => undefined) : undefined`,
    promises: [5],
    faults: ['writer_asleep_after_commit'],
  },
];

export function brokenBuildOf(name: string): BrokenBuild {
  const build = BROKEN_BUILDS.find((known) => known.name === name);
  if (build === undefined) throw new Error(`there is no broken build ${name}; --list names them all`);
  return build;
}
