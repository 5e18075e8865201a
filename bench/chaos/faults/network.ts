import { setTimeout as pause } from 'node:timers/promises';
import type { Passing, Proxy } from '../proxy.ts';
import type { Fault } from './fault.ts';
import type { Stage } from './stage.ts';
import { statementOf } from './statement.ts';

const STRIKE_MS_MAX = 3_000;

/** The script of an admission: only it uses these keys together. */
const isAdmission = ({ client, text }: Passing): boolean =>
  client.startsWith('api') && /:owners\r[^]*:batch_times\r[^]*:bucket:/.test(text);

const isCommit = (passing: Passing): boolean =>
  passing.client.startsWith('worker') && statementOf(passing) === 'commit';

interface Line {
  readonly server: 'redis' | 'mysql';
  readonly proxy: (stage: Stage) => Proxy;
  readonly losable: { readonly what: string; readonly matches: (passing: Passing) => boolean };
  readonly delays_ms: readonly number[];
}

const lines: readonly Line[] = [
  {
    server: 'redis',
    proxy: (stage) => stage.deps.cluster.redisProxy,
    losable: { what: 'an admission', matches: isAdmission },
    delays_ms: [20, 100, 400],
  },
  {
    server: 'mysql',
    proxy: (stage) => stage.deps.cluster.mysqlProxy,
    losable: { what: 'a COMMIT', matches: isCommit },
    delays_ms: [20, 100, 300],
  },
];

const dropReply = ({ server, proxy, losable }: Line): Fault => ({
  name: `${server}_reply_dropped`,
  what: `the reply to ${losable.what} is lost and its connection with it, up to three times`,
  async run(stage) {
    const { promise: enough, resolve } = Promise.withResolvers<void>();
    let left = stage.deps.random.integer(1, 3);
    const unwatch = proxy(stage).watch((passing) => {
      if (left === 0 || !stage.isBusy || !losable.matches(passing)) return 'pass';
      stage.strikes();
      left -= 1;
      if (left === 0) resolve();
      return 'drop_reply';
    });
    void stage.deps.crowd.surge(stage.deps.random.integer(15, 50));
    await Promise.race([enough, stage.pauseBetween(STRIKE_MS_MAX / 1_000, STRIKE_MS_MAX / 1_000)]);
    unwatch();
  },
});

const cut = ({ server, proxy }: Line): Fault => ({
  name: `${server}_cut`,
  what: `all connections to ${server} are cut, up to three times`,
  async run(stage) {
    await stage.strikeWhenBusy(() => proxy(stage).cut());
    for (let more = stage.deps.random.integer(0, 2); more > 0; more -= 1) {
      await stage.pauseBetween(0.05, 0.4);
      proxy(stage).cut();
    }
  },
});

const delay = ({ server, proxy, delays_ms: delaysMs }: Line): Fault => ({
  name: `${server}_delayed`,
  what: `every chunk to and from ${server} takes ${delaysMs.join(', ')} ms longer`,
  async run(stage) {
    await stage.strikeWhenBusy(() => proxy(stage).delay(stage.pick(delaysMs)));
    await stage.pauseBetween(1, 2.5);
    proxy(stage).delay(0);
  },
});

const blackHole = ({ server, proxy }: Line): Fault => ({
  name: `${server}_black_hole`,
  what: `nothing reaches ${server} or comes from it for 1 to 4 s`,
  isLong: true,
  async run(stage) {
    await stage.strikeWhenBusy(() => proxy(stage).blackHole(true));
    await stage.pauseBetween(1, 4);
    proxy(stage).blackHole(false);
  },
});

/** Longer than the relay needs, and than promise 11 allows. */
const WRITTEN_MS_MAX = 15_000;

/**
 * Every addition of a job fails, so that only the relay brings the last buyers' orders to a worker.
 */
const jobsLost: Fault = {
  name: 'jobs_lost',
  what: 'the connection breaks whenever an api process adds a job, until the orders of the last buyers are written',
  isLong: true,
  outlastsLoad: true,
  async run(stage) {
    const { crowd, random, loadOver, cluster, redis, sale } = stage.deps;
    const unwatch = cluster.redisProxy.watch(({ client, text }) => {
      if (!client.startsWith('api') || !text.includes('write_orders')) return 'pass';
      if (stage.isBusy) stage.strikes();
      return 'cut';
    });
    void crowd.surge(random.integer(15, 50));
    await loadOver;
    // The job of a later buy, of a returned unit, would have the whole outbox written.
    const untilMs = Date.now() + WRITTEN_MS_MAX;
    while ((await redis.oldestBatchMs(sale.id)) !== undefined && Date.now() < untilMs) await pause(50);
    unwatch();
  },
};

export const networkFaults: readonly Fault[] = [
  ...lines.flatMap((line) => [dropReply(line), cut(line), delay(line), blackHole(line)]),
  jobsLost,
];
