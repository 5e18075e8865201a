import type { ErrorCode } from '../errors.ts';

/** A call arrived after its deadline, or in another history of Redis, and changed nothing. */
export class CallLate extends Error {
  constructor() {
    super('The call came too late and changed nothing');
    this.name = 'CallLate';
  }
}

type Unknown = Extract<ErrorCode, 'overloaded' | 'not_ready' | 'unavailable'>;

interface RedisErrorKind {
  /** What a reply of this kind begins with; in a script it stands at the beginning as well, or behind `ERR `. */
  readonly reply: RegExp;
  /** What a client is told. */
  readonly code: Unknown;
  /** What an operator has to mend before the call can succeed, if somebody must. */
  readonly fault?: string;
  /** It passes while the service runs, which may be what frees it: no reason to refuse to start. */
  readonly passes?: true;
}

/**
 * What Redis answers when it does not do what it was asked to, and neither the call nor its arguments are wrong. `OOM` and `LOADING` are answers of
 * a server that has done nothing.
 */
export const REDIS_ERRORS: readonly RedisErrorKind[] = [
  { reply: /^OOM/, code: 'overloaded', fault: 'maxmemory is reached: raise it', passes: true },
  { reply: /^LOADING/, code: 'not_ready' },
  // A replica, a server that is cut off from its replicas, or a cluster that is changing.
  { reply: /^(READONLY|MASTERDOWN|NOREPLICAS|NOGOODSLAVE|UNBLOCKED)/, code: 'unavailable' },
  { reply: /^(CLUSTERDOWN|TRYAGAIN|MOVED|ASK)/, code: 'unavailable' },
  // A script that takes too long; one that has written cannot be ended.
  { reply: /^(BUSY|UNKILLABLE|NOTBUSY)/, code: 'unavailable' },
  // A transaction of which one command was refused, by one of the others.
  { reply: /^EXECABORT/, code: 'unavailable' },
  // The scripts were emptied again between the refusal and the second try.
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
  // In a script Redis 7.0 says it in the second way, later ones in the third.
  {
    reply: /^NOPERM|^ERR The user executing the script can't|^ERR ACL failure/,
    code: 'unavailable',
    fault: 'a right is missing: allow the command, its keys and its channels in the ACL',
  },
  { reply: /^ERR unknown (redis )?command/i, code: 'unavailable', fault: 'a command is renamed or missing' },
];

/** What ioredis itself says if it has no server to ask, or no answer from it. */
const NO_ANSWER =
  /^(Command timed out|Connection is closed|Stream isn't writeable|Cluster isn't ready|Too many Cluster redirections|None of startup nodes)/;

/**
 * What a client is told when a Redis call failed, or undefined if the error is not Redis's. Except for `OOM` and `LOADING` it is open whether the
 * call was carried out.
 */
export function codeOfRedisError(error: unknown): Unknown | undefined {
  if (!(error instanceof Error)) return undefined;
  const { name, message } = error;
  if (name === 'ReplyError') return kindOf(message)?.code;
  if (error instanceof CallLate) return 'unavailable';
  if (name === 'MaxRetriesPerRequestError' || name === 'ClusterAllFailedError') return 'unavailable';
  return NO_ANSWER.test(message) ? 'unavailable' : undefined;
}

/** What an operator has to mend before Redis can do what it was asked to, or undefined. */
export function redisFault(error: unknown): string | undefined {
  return error instanceof Error && error.name === 'ReplyError' ? redisFaultOf(error.message) : undefined;
}

/** Whether a fault, as `redisFault` words it, may pass by itself while the service runs. */
export function isPassingFault(problem: string): boolean {
  return REDIS_ERRORS.some(({ fault, passes }) => passes === true && problem.startsWith(`Redis: ${fault}`));
}

/** The same for what Redis said. */
export function redisFaultOf(message: string): string | undefined {
  const fault = kindOf(message)?.fault;
  return fault === undefined ? undefined : `Redis: ${fault}`;
}

function kindOf(message: string): RedisErrorKind | undefined {
  return REDIS_ERRORS.find(({ reply }) => reply.test(message));
}
