/**
 * `npm run bench`: measures the service and writes the report. See `--help`.
 */
import { exitProcess } from '@flash-sale/shared/platform/process/exit.ts';
import { PROGRAM, readOptions } from './options.ts';
import { optionsOrExit } from './stage/program.ts';

const options = await optionsOrExit(readOptions, PROGRAM.usage);
// It takes a second to load the rest.
const { measure } = await import('./measure.ts');
await exitProcess(await measure(options));
