/** `npm stop`: ends what `npm start` of this checkout has running, or has left behind. */
import { readCommandLine } from '@flash-sale/shared/process/command-line.ts';
import { dataDirOfCheckout, print, runCommand } from './stack/command.ts';
import { stopStack } from './stack/stop-stack.ts';

readCommandLine({
  usage: 'npm stop',
  summary: 'Ends what npm start of this checkout has running, or has left behind.',
});

await runCommand(() => stopStack(dataDirOfCheckout, print));
