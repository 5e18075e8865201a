import { rmSync } from 'node:fs';
import { removeVolumes } from '../services/docker.ts';
import { dockerAnswers } from '../services/docker-client.ts';
import { mysqlIsGiven, redisIsGiven } from '../services/given-servers.ts';
import { endProcess, endRecorded, signalOne } from '../services/run-records.ts';
import { lockHolder, takeLock } from './lock.ts';

/** A supervisor ends everything it started within 10 s, or is ended by force. */
const supervisorMsMax = 12_000;

/** Ends what runs from a data folder, or was left by a killed start. */
export async function stopStack(dataDir: string, print: (line: string) => void): Promise<void> {
  using _lock = await endAll(dataDir, print);
}

/** Like `stopStack`, then deletes the data folder. Never changes servers from the environment. */
export async function resetStack(
  dataDir: string,
  env: NodeJS.ProcessEnv,
  print: (line: string) => void,
): Promise<void> {
  using _lock = await endAll(dataDir, print);
  if (await dockerAnswers(env)) await removeVolumes(dataDir);
  rmSync(dataDir, { recursive: true, force: true });
  print(`deleted ${dataDir}`);
  if (redisIsGiven(env)) print('the Redis given by the environment was not changed');
  if (mysqlIsGiven(env)) print('the MySQL given by DB_HOST and DB_PORT was not changed');
}

/**
 * Ends the supervisor, which ends everything else, and then whatever is left. Returns with the lock
 * held.
 */
async function endAll(dataDir: string, print: (line: string) => void): Promise<Disposable> {
  const holder = lockHolder(dataDir);
  if (holder) {
    print(`stopping process ${holder.pid}`);
    await endProcess(holder, supervisorMsMax, signalOne);
  }
  // If another start gets the lock first, what it starts belongs to it, and this call fails.
  const lock = takeLock(dataDir);
  const ended = await endRecorded(dataDir);
  if (ended.length > 0) print(`ended ${ended.join(', ')}`);
  print(holder || ended.length > 0 ? 'stopped' : 'nothing is running');
  return lock;
}
