import type { ErrorCode } from '../errors.ts';

/** A call arrived after its deadline, or in another history of Redis, and changed nothing. */
export class CallLate extends Error {
  constructor() {
    super('The call came too late and changed nothing');
    this.name = 'CallLate';
  }
}

/** No connection could be made, and why. */
export class RedisAway extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'RedisAway';
  }
}

type Unknown = Extract<ErrorCode, 'overloaded' | 'not_ready' | 'unavailable'>;

interface RedisErrorKind {
  /** The beginning of a reply of this kind. A script's reply may have `ERR ` before it. */
  readonly reply: RegExp;
  /** The error code for the client. Without one the fault is the service's, not the server's. */
  readonly code?: Unknown;
  /** What an operator must fix before the call can succeed, if there is anything. */
  readonly fault?: string;
  /** It may end while the service runs, which may even cause that: no reason to refuse to start. */
  readonly passes?: true;
}

/**
 * The errors of Redis for a correct call that it cannot execute. `OOM` and `LOADING` mean that the
 * server has done nothing.
 */
export const REDIS_ERRORS: readonly RedisErrorKind[] = [
  { reply: /^OOM/, code: 'overloaded', fault: 'maxmemory is reached: raise it', passes: true },
  { reply: /^LOADING/, code: 'not_ready' },
  // A replica, a server without its replicas, or a cluster that is changing.
  { reply: /^(READONLY|MASTERDOWN|NOREPLICAS|NOGOODSLAVE|UNBLOCKED)/, code: 'unavailable' },
  { reply: /^(CLUSTERDOWN|TRYAGAIN|MOVED|ASK)/, code: 'unavailable' },
  // A script takes too long. A script that has written cannot be killed.
  { reply: /^(BUSY|UNKILLABLE|NOTBUSY)/, code: 'unavailable' },
  // One command of the transaction was refused, with one of the other errors.
  { reply: /^EXECABORT/, code: 'unavailable' },
  // The scripts were flushed again between the refusal and the second attempt.
  { reply: /^NOSCRIPT/, code: 'unavailable' },
  {
    reply: /^ERR max number of clients/,
    code: 'unavailable',
    fault: 'too many connections: raise maxclients',
    passes: true,
  },
  { reply: /^MISCONF/, code: 'unavailable', fault: 'it cannot write to its disk', passes: true },
  { reply: /^(NOAUTH|WRONGPASS)/, code: 'unavailable', fault: 'the user or the password is wrong' },
  { reply: /^DENIED/, code: 'unavailable', fault: 'protected mode refuses this host' },
  // In a script, Redis 7.0 uses the second form and later versions the third.
  {
    reply: /^NOPERM|^ERR The user executing the script can't|^ERR ACL failure/,
    code: 'unavailable',
    fault: 'a right is missing: allow the command, its keys and its channels in the ACL',
  },
  { reply: /^WRONGTYPE/, fault: 'a key of the service was overwritten with another type: delete it, then repair' },
  { reply: /^ERR unknown (redis )?command/i, code: 'unavailable', fault: 'a command is renamed or missing' },
];

/** ioredis's own errors if it has no server to ask, or no answer. */
const NO_ANSWER =
  /^(Command timed out|Connection is closed|Stream isn't writeable|Cluster isn't ready|Too many Cluster redirections|None of startup nodes)/;

/**
 * The error code for the client after a failed call to Redis; undefined if the error is not
 * Redis's. Except after `OOM` and `LOADING`, it is not known whether the call was executed.
 */
export function codeOfRedisError(error: unknown): Unknown | undefined {
  if (!(error instanceof Error)) return undefined;
  const { name, message } = error;
  if (name === 'ReplyError') return kindOf(message)?.code;
  if (error instanceof CallLate || error instanceof RedisAway) return 'unavailable';
  if (name === 'MaxRetriesPerRequestError' || name === 'ClusterAllFailedError') return 'unavailable';
  return NO_ANSWER.test(message) ? 'unavailable' : undefined;
}

/** What an operator must fix on Redis before the call can succeed; undefined if nothing. */
export function redisFault(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined;
  const fault = redisFaultOf(error.message);
  if (fault !== undefined) return fault;
  // A transaction is refused because one of its commands was.
  const { previousErrors = [] } = error as { readonly previousErrors?: readonly unknown[] };
  return previousErrors.map(redisFault).find((one) => one !== undefined);
}

/** Whether a fault, in the words of `redisFault`, may end by itself while the service runs. */
export function isPassingFault(problem: string): boolean {
  return REDIS_ERRORS.some(({ fault, passes }) => passes === true && problem.startsWith(`Redis: ${fault}`));
}

/** Like `redisFault`, for the text of a reply. */
export function redisFaultOf(message: string): string | undefined {
  const fault = kindOf(message)?.fault;
  return fault === undefined ? undefined : `Redis: ${fault}`;
}

function kindOf(message: string): RedisErrorKind | undefined {
  return REDIS_ERRORS.find(({ reply }) => reply.test(message));
}
