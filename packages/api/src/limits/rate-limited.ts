import type { BucketLimit } from './bucket.ts';
import type { RefusalOptions } from '@flash-sale/shared/platform/errors.ts';

/**
 * The `rate_limited` refusal for a caller whose bucket is empty. `policy` names the limit.
 *
 * @see https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/ for the header fields
 */
export function rateLimited(policy: string, { capacity, perSecond }: BucketLimit, waitMs: number): RefusalOptions {
  const retryAfterS = Math.max(1, Math.ceil(waitMs / 1_000));
  return {
    retryAfterS,
    headers: {
      'ratelimit-policy': `"${policy}";q=${capacity};w=${Math.max(1, Math.ceil(capacity / perSecond))}`,
      ratelimit: `"${policy}";r=0;t=${retryAfterS}`,
    },
  };
}
