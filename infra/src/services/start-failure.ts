/**
 * A failure that its reader can do something about. The commands print its message alone, without a
 * stack trace, so the message has to say what is wrong and what would help.
 */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
}

/** The words of any thrown value; errors without a message (as aggregated ones have) give their code. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.message === '') return error.errors.map(reasonOf).join(', ');
  if (error.message !== '') return error.message;
  return 'code' in error ? String(error.code) : error.name;
}
