import { Refusal } from '@flash-sale/shared/domain/errors.ts';
import type { BucketLimit } from '@flash-sale/shared/domain/bucket.ts';

/**
 * The refusal of a caller whose bucket is empty. `policy` names the limit for the caller.
 *
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ whose header fields it carries
 */
export function rateRefusal(policy: string, { capacity, per_second }: BucketLimit, wait_ms: number): Refusal {
  const retry_after_s = Math.max(1, Math.ceil(wait_ms / 1_000));
  return new Refusal('rate_limited', {
    retry_after_s,
    headers: {
      'ratelimit-policy': `"${policy}";q=${capacity};w=${Math.max(1, Math.ceil(capacity / per_second))}`,
      ratelimit: `"${policy}";r=0;t=${retry_after_s}`,
    },
  });
}
