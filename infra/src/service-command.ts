import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { exitProcess } from '@flash-sale/shared/platform/process/exit.ts';
import { ConfigError, readSettingFiles } from '@flash-sale/shared/platform/config/config.ts';
import { dataDirOfCheckout } from './stack/command.ts';
import { readRunning } from './stack/running.ts';

/**
 * Runs one of the service's programs with the settings of the service that `npm start` runs, if it
 * runs; variables of the environment have priority. Ends with the exit code of the program.
 */
const [program, ...args] = process.argv.slice(2);
const root = join(import.meta.dirname, '../..');
const child = spawn(process.execPath, [join(root, program!), ...args], {
  stdio: 'inherit',
  env: { ...readRunning(dataDirOfCheckout), ...(await environment()) },
});
child.once('exit', (code, signal) => void exitProcess(signal === null ? (code ?? 1) : 1));

/**
 * The environment, with the contents of the `NAME_FILE` files. If a file cannot be read, prints one
 * line and ends the command.
 */
async function environment(): Promise<NodeJS.ProcessEnv> {
  try {
    return readSettingFiles(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message.replaceAll(/\s*\n\s*/g, ' ')}\n`);
    return exitProcess(2);
  }
}
