import type { ErrorCode } from '../domain/errors.ts';

/**
 * What a client is told where a Redis call failed, or undefined where the error is not Redis's. `OOM` and `LOADING` are answers of a server
 * that has done nothing; every other failure leaves it open whether the call was carried out.
 */
export function codeOfRedisError(
  error: unknown,
): Extract<ErrorCode, 'overloaded' | 'not_ready' | 'unavailable'> | undefined {
  if (!(error instanceof Error)) return undefined;
  const { name, message } = error;
  if (name === 'ReplyError') {
    if (message.startsWith('OOM')) return 'overloaded';
    if (message.startsWith('LOADING')) return 'not_ready';
    return /^(READONLY|MASTERDOWN|CLUSTERDOWN|BUSY|TRYAGAIN|MOVED|ASK|NOREPLICAS|MISCONF)/.test(message)
      ? 'unavailable'
      : undefined;
  }
  if (name === 'MaxRetriesPerRequestError' || name === 'ClusterAllFailedError') return 'unavailable';
  return /^(Command timed out|Connection is closed|Stream isn't writeable|Cluster isn't ready|Too many Cluster redirections|None of startup nodes)/.test(
    message,
  )
    ? 'unavailable'
    : undefined;
}
