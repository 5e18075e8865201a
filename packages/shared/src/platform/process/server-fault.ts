import { dbFault, isDbOutage } from '../mysql/errors.ts';
import { codeOfRedisError, redisFault } from '../redis/errors.ts';

/** One line about MySQL or Redis, if it is the server that failed and not the program; otherwise undefined. */
export function serverFault(error: unknown): string | undefined {
  const fault = dbFault(error) ?? redisFault(error);
  if (fault !== undefined) return fault;
  if (codeOfRedisError(error) !== undefined) return `Redis does not do what it was asked to: ${lineOf(error)}`;
  return isDbOutage(error) ? `MySQL does not do what it was asked to: ${lineOf(error)}` : undefined;
}

/** A host with several addresses leaves an error without a message of its own. */
function lineOf(error: unknown): string {
  const { message, code = 'no reason given' } = error as Error & { readonly code?: string };
  return (message === '' ? code : message).replaceAll(/\s*\n\s*/g, ' ');
}
