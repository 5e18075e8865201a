import { appendFileSync } from 'node:fs';

/** Leaves a line for the test to read; `STUB_TRACE` names the file. */
export function trace(line: string): void {
  const file = process.env['STUB_TRACE'];
  if (file) appendFileSync(file, `${line}\n`);
}

/**
 * Ends on SIGTERM, or when its parent process ends, as the real processes do; `STUB_IS_STUBBORN`
 * only notes it.
 */
export function endWhenAsked(name: string): void {
  const end = (why: string) => {
    trace(`${name} ended by ${why}`);
    if (!process.env['STUB_IS_STUBBORN']) process.exit(0);
  };
  process.once('SIGTERM', () => end('SIGTERM'));
  process.once('disconnect', () => end('disconnect'));
}
