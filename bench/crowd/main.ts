/**
 * `npm run crowd`: a crowd of shoppers in the running service. See `--help`.
 */
import { Agent, fetch as fetchWith } from 'undici';
import { exitWithUsage, UsageError } from '@flash-sale/shared/platform/process/command-line.ts';
import { exitProcess } from '@flash-sale/shared/platform/process/exit.ts';
import { accessOf } from '@flash-sale/infra/ops/access.ts';
import { callAs, CallFailed } from '@flash-sale/infra/ops/api.ts';
import { stopSignal } from '@flash-sale/infra/stack/command.ts';
import { optionsOrExit } from '../stage/program.ts';
import { Refused } from '@flash-sale/web/client';
import { runCrowd } from './crowd.ts';
import { PROGRAM, readOptions } from './options.ts';

/** Shoppers share connections, as behind a proxy: one for each would be more files than a process may open. */
const CONNECTIONS = 1_000;

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const options = await optionsOrExit(readOptions, PROGRAM.usage);
const agent = new Agent({ connections: CONNECTIONS });
const send = ((input: string | URL, init?: object) =>
  fetchWith(input, { ...init, dispatcher: agent })) as unknown as typeof fetch;

try {
  const access = accessOf(process.env, options);
  const stop = stopSignal();
  const jwtSecret = process.env['JWT_SECRET'] || undefined;
  const problems = await runCrowd(options, { url: access.url, call: callAs(access), send, jwtSecret, stop, print });
  print(problems.length === 0 ? 'the sums of the sale are correct' : `WRONG:\n${problems.join('\n')}`);
  await exitProcess(problems.length > 0 ? 1 : stop.aborted ? 130 : 0);
} catch (error) {
  if (error instanceof UsageError) await exitWithUsage(error, PROGRAM.usage);
  if (!(error instanceof CallFailed || error instanceof Refused)) throw error;
  process.stderr.write(`${error.message}\n`);
  await exitProcess(1);
}
