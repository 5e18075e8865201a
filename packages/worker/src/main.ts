import { readCommandLine } from '@flash-sale/shared/platform/process/command-line.ts';
import { listenToEndRequests } from '@flash-sale/shared/platform/process/end-requests.ts';

await readCommandLine({
  usage: 'node packages/worker/src/main.ts',
  summary: 'A worker process: writes orders and runs the services. Settings come from the environment.',
});
listenToEndRequests();
// It takes seconds to load the rest. A signal that comes meanwhile must not be lost.
const { startOrExit } = await import('@flash-sale/shared/platform/process/lifecycle.ts');
const { startWorker } = await import('./start.ts');
await startOrExit(startWorker);
