/** `npm run reset`: as `npm stop`, then forgets everything that the service has stored on this machine. */
import { dataDirOfCheckout, print, runCommand } from './stack/command.ts';
import { resetStack } from './stack/stop-stack.ts';

await runCommand(() => resetStack(dataDirOfCheckout, process.env, print));
