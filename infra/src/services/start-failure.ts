/**
 * A failure that the user can fix. The commands print only its message, without a stack trace, so
 * the message must say what is wrong and what helps.
 */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
}

/**
 * The text of any thrown value. An error without a message (such as an aggregated one) gives its
 * code.
 */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.message === '') return error.errors.map(reasonOf).join(', ');
  if (error.message !== '') return error.message;
  return 'code' in error ? String(error.code) : error.name;
}
