/** `npm stop`: ends what `npm start` of this checkout runs or has left running. */
import { readCommandLine } from '@flash-sale/shared/platform/process/command-line.ts';
import { dataDirOfCheckout, print, runCommand } from './stack/command.ts';
import { stopStack } from './stack/stop-stack.ts';

await readCommandLine({
  usage: 'npm stop',
  summary: 'Stops the service that npm start of this checkout runs, and everything it has left behind.',
});

await runCommand(() => stopStack(dataDirOfCheckout, print));
