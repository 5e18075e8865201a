/** `npm stop`: ends what `npm start` of this checkout has running, or has left behind. */
import { dataDirOfCheckout, print, runCommand } from './stack/command.ts';
import { stopStack } from './stack/stop-stack.ts';

await runCommand(() => stopStack(dataDirOfCheckout, print));
