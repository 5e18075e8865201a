import autocannon from 'autocannon';
import type { PlannedRequest } from './request.ts';
import { ratePerSecond } from './statistics.ts';

export interface ClosedLoop {
  /** The processes, which share the load evenly. */
  readonly urls: readonly string[];
  readonly connections: number;
  /** Sent in turn, and again from the first if `amount` is larger. */
  readonly requests: readonly PlannedRequest[];
  /** How many requests to send. Default: all of `requests` once. */
  readonly amount?: number;
  /** The status that every answer should have. */
  readonly expected: number;
  /** Called with the body of every answer. */
  readonly onBody?: (body: string) => void;
}

export interface ClosedLoopResult {
  /** Expected answers per second, without the beginning and the end of the run. */
  readonly perSecond: number;
  readonly latenciesMs: Float64Array;
  /** Answers with another status, and calls without an answer. */
  readonly unexpected: number;
  /** When the first requests were sent, by `performance.now()`. Their preparation takes a while. */
  readonly begunMs: number;
}

/**
 * Sends requests as fast as they are answered, one at a time per connection (autocannon). It shows
 * the maximum rate of a service, but not the latency at a given rate, since a slow answer delays
 * the requests after it.
 */
export async function closedLoop(load: ClosedLoop): Promise<ClosedLoopResult> {
  const { urls, requests, expected, onBody, amount = requests.length } = load;
  const connections = Math.min(load.connections, amount);
  const latenciesMs = new Float64Array(amount);
  const timesMs = new Float64Array(amount);
  let answered = 0;
  let asExpected = 0;
  let opened = 0;
  let begunMs = Number.NaN;
  const onResponse = (tookMs: number, status: number): void => {
    if (status === expected) asExpected += 1;
    if (answered === amount) return;
    timesMs[answered] = performance.now();
    latenciesMs[answered] = tookMs;
    answered += 1;
  };
  await new Promise<void>((resolve, reject) => {
    const running = autocannon(
      {
        // The types allow one address only. Several are spread over the connections.
        url: [...urls] as unknown as string,
        connections,
        amount,
        sampleInt: 50,
        timeout: 30,
        skipAggregateResult: true,
        setupClient(client) {
          // Each connection has its own share, so that no body is sent twice before all were sent.
          const share: autocannon.Request[] = [];
          for (let i = opened % requests.length; i < requests.length; i += connections) share.push({ ...requests[i]! });
          opened += 1;
          client.setRequests(share);
          // Nothing is sent before the last connection is set up.
          begunMs = performance.now();
        },
        verifyBody(body: unknown) {
          onBody?.(String(body));
          return true;
        },
      },
      (error: unknown) => (error instanceof Error ? reject(error) : resolve()),
    );
    running.on('response', (_client, status, _bytes, tookMs) => onResponse(tookMs, status));
  });
  return {
    perSecond: ratePerSecond(timesMs.subarray(0, answered)) * (asExpected / Math.max(1, answered)),
    latenciesMs: latenciesMs.subarray(0, answered),
    unexpected: amount - asExpected,
    begunMs,
  };
}
