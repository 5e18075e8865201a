import { readCommandLine } from '@flash-sale/shared/platform/process/command-line.ts';
import { listenToEndRequests } from '@flash-sale/shared/platform/process/end-requests.ts';

await readCommandLine({
  usage: 'node packages/api/src/main.ts',
  summary: 'An api process: accepts buys and answers polls. Settings come from the environment.',
});
listenToEndRequests();
// It takes seconds to load the rest. A signal that comes meanwhile must not be lost.
const { startOrExit } = await import('@flash-sale/shared/platform/process/lifecycle.ts');
const { startApi } = await import('./start.ts');
await startOrExit(startApi);
