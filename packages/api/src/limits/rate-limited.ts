import type { BucketLimit } from './bucket.ts';
import type { RefusalOptions } from '@flash-sale/shared/platform/errors.ts';

/**
 * The `rate_limited` refusal for a caller whose bucket is empty. `policy` names the limit.
 *
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ for the header fields
 */
export function rateLimited(policy: string, { capacity, per_second }: BucketLimit, wait_ms: number): RefusalOptions {
  const retry_after_s = Math.max(1, Math.ceil(wait_ms / 1_000));
  return {
    retry_after_s,
    headers: {
      'ratelimit-policy': `"${policy}";q=${capacity};w=${Math.max(1, Math.ceil(capacity / per_second))}`,
      ratelimit: `"${policy}";r=0;t=${retry_after_s}`,
    },
  };
}
