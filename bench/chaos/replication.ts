import { setTimeout as pause } from 'node:timers/promises';
import type { Redis } from 'ioredis';

const IN_STEP_MS_MAX = 10_000;
const LOOK_MS = 20;

/** Resolves when a replica has its master's data and follows it. */
export async function untilInStep(replica: Redis): Promise<void> {
  const untilMs = Date.now() + IN_STEP_MS_MAX;
  while (!(await replica.info('replication')).includes('master_link_status:up')) {
    if (Date.now() > untilMs) throw new Error(`a replica was not in step within ${IN_STEP_MS_MAX} ms`);
    await pause(LOOK_MS);
  }
}
