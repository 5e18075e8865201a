/**
 * `npm run crowd`: a crowd of shoppers in the running service. See `--help`.
 */
import { exitProcess } from '@flash-sale/shared/platform/process/exit.ts';
import { print, stopSignal } from '@flash-sale/infra/stack/command.ts';
import { crowdCommand } from './command.ts';

const complain = (line: string): void => void process.stderr.write(`${line}\n`);
await exitProcess(await crowdCommand(process.argv.slice(2), process.env, { print, complain }, stopSignal()));
