import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { BATCH_SIZES, SECONDS } from './buckets.ts';
import { HotTimes, Polled, Tally } from './hot-metrics.ts';

/** Metrics of api processes: requests and admissions. */
export function apiMetrics(registers: Registry[]) {
  return {
    requests: new Tally({
      name: 'seckill_requests_total',
      help: 'HTTP requests by route and outcome: `ok`, or the code of the error.',
      labelNames: ['route', 'outcome'],
      fromZero: ['ok', 'overloaded', 'unavailable', 'internal'],
      registers,
    }),
    requestSeconds: new HotTimes({
      name: 'seckill_request_seconds',
      help: 'Time to answer a request, by route. Includes the wait of long polls.',
      labelNames: ['route'],
      buckets: SECONDS,
      registers,
    }),
    admissions: new Counter({
      name: 'seckill_admissions_total',
      help: 'Buys that reached admission, by outcome: `accepted`, `replayed`, or the code of the error.',
      labelNames: ['outcome'],
      registers,
    }),
    admissionBatch: new Histogram({
      name: 'seckill_admission_batch_size',
      help: 'Buys per micro-batch.',
      buckets: BATCH_SIZES,
      registers,
    }),
    admissionSeconds: new Histogram({
      name: 'seckill_admission_seconds',
      help: 'Time of an admit call: the round trip to Redis and the script.',
      buckets: SECONDS,
      registers,
    }),
    admissionCalls: new Polled({
      name: 'seckill_admission_calls',
      help: 'Admit calls in flight, all sales together.',
      registers,
    }),
    admissionWaiting: new Polled({
      name: 'seckill_admission_waiting',
      help: 'Buys that wait for their micro-batch.',
      registers,
    }),
    tokenBatch: new Histogram({
      name: 'seckill_token_batch_size',
      help: 'Seckill tokens per micro-batch.',
      buckets: BATCH_SIZES,
      registers,
    }),
    tokensWaiting: new Polled({
      name: 'seckill_tokens_waiting',
      help: 'Shoppers that wait for the micro-batch of their seckill token.',
      registers,
    }),
    shedding: new Gauge({
      name: 'seckill_shedding',
      help: '1 while this process sheds seckill tokens and buys, by reason: `event_loop` or `redis_memory`.',
      labelNames: ['reason'],
      registers,
    }),
    jobsNotAdded: new Counter({
      name: 'seckill_jobs_not_added_total',
      help: 'Jobs that could not be added after an admission; the relay adds them.',
      registers,
    }),
    accessTokensRefused: new Counter({
      name: 'seckill_access_tokens_refused_total',
      help: 'Calls without a valid access token, by reason: `missing`, `malformed`, `algorithm`, `key` (`kid`), `signature`, `issuer`, `audience`, `not_before`, `expiry` or `subject`.',
      labelNames: ['reason'],
      registers,
    }),
    keySetAgeSeconds: new Polled({
      name: 'seckill_key_set_age_seconds',
      help: 'Time since the key set of `JWKS_URL` was fetched; before the first fetch, since the process started. The next fetch is at 600 s.',
      registers,
    }),
    keySetFetches: new Counter({
      name: 'seckill_key_set_fetches_total',
      help: 'Fetches of the key set, by outcome: `ok` or `failed`. While fetches fail, the last good set is used.',
      labelNames: ['outcome'],
      registers,
    }),
    pollWaiters: new Polled({ name: 'seckill_poll_waiters', help: 'Long polls that wait now.', registers }),
  };
}
