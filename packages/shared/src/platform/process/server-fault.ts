import { dbFault, isDbOutage, isReadOnly } from '../mysql/errors.ts';
import { codeOfRedisError, isPassingFault, redisFault } from '../redis/errors.ts';

/**
 * One line about MySQL or Redis, if it is the server that failed and not the program; otherwise
 * undefined.
 */
export function serverFault(error: unknown): string | undefined {
  const fault = dbFault(error) ?? redisFault(error);
  if (fault !== undefined) return fault;
  if (codeOfRedisError(error) !== undefined) return `Redis does not do what it was asked to: ${lineOf(error)}`;
  return isDbOutage(error) ? `MySQL does not do what it was asked to: ${lineOf(error)}` : undefined;
}

/** The codes of Node.js and mysql2 if no trusted connection can be made to a server. */
const UNTRUSTED = /^(HANDSHAKE_|ERR_TLS_|ERR_SSL_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/;

/**
 * Whether a server refuses this process until somebody changes a setting or a right: a wrong
 * password, a missing right, a certificate that is not trusted.
 */
export function isRefusal(error: unknown): boolean {
  if (error instanceof AggregateError && error.errors.some(isRefusal)) return true;
  if (dbFault(error) !== undefined) return !isReadOnly(error);
  const fault = redisFault(error);
  if (fault !== undefined) return !isPassingFault(fault);
  return UNTRUSTED.test((error as { readonly code?: string } | undefined)?.code ?? '');
}

/** A host with several addresses leaves an error without a message of its own. */
function lineOf(error: unknown): string {
  const { message, code = 'no reason given' } = error as Error & { readonly code?: string };
  return (message === '' ? code : message).replaceAll(/\s*\n\s*/g, ' ');
}
