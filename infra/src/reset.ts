/**
 * `npm run reset`: like `npm stop`, then deletes everything that the service has stored on this
 * machine.
 */
import { existsSync } from 'node:fs';
import { exitWithUsage, flag, readCommandLine, UsageError } from '@flash-sale/shared/platform/process/command-line.ts';
import { dataDirOfCheckout, print, runCommand } from './stack/command.ts';
import { confirm } from './stack/confirm.ts';
import { resetStack } from './stack/stop-stack.ts';

const USAGE = 'npm run reset -- [options]';

const { values } = await readCommandLine({
  usage: USAGE,
  summary: 'Stops the service that npm start of this checkout runs, then deletes its data, logs and secrets.',
  options: { yes: flag('do not ask for confirmation') },
});

await runCommand(async () => {
  if (!values.yes && existsSync(dataDirOfCheckout)) {
    try {
      await confirm(`This deletes everything in ${dataDirOfCheckout}: sales, orders, logs and secrets.`);
    } catch (error) {
      if (error instanceof UsageError) await exitWithUsage(error, USAGE);
      throw error;
    }
  }
  await resetStack(dataDirOfCheckout, process.env, print);
});
