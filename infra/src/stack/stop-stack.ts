import { rmSync } from 'node:fs';
import { removeVolumes } from '../services/docker.ts';
import { dockerAnswers } from '../services/docker-client.ts';
import { mysqlIsGiven, redisIsGiven } from '../services/given-servers.ts';
import { endProcess, endRecorded, signalOne } from '../services/run-records.ts';
import { lockHolder, takeLock } from './lock.ts';

/** A supervisor ends all that it started within 10 s; one that does not is ended by force. */
const supervisor_ms_max = 12_000;

/** Ends what runs from a data folder or was left behind by a start that was killed. */
export async function stopStack(dataDir: string, print: (line: string) => void): Promise<void> {
  using _lock = await endAll(dataDir, print);
}

/** As `stopStack`, then deletes the data folder. Servers that the environment gives are never touched. */
export async function resetStack(
  dataDir: string,
  env: NodeJS.ProcessEnv,
  print: (line: string) => void,
): Promise<void> {
  using _lock = await endAll(dataDir, print);
  if (await dockerAnswers(env)) await removeVolumes(dataDir);
  rmSync(dataDir, { recursive: true, force: true });
  print(`deleted ${dataDir}`);
  if (redisIsGiven(env)) print('the Redis given by the environment is left as it is');
  if (mysqlIsGiven(env)) print('the MySQL given by DB_HOST and DB_PORT is left as it is');
}

/** Ends the supervisor, which ends everything else, and then whatever is left. Returns with the lock. */
async function endAll(dataDir: string, print: (line: string) => void): Promise<Disposable> {
  const holder = lockHolder(dataDir);
  if (holder) {
    print(`stopping process ${holder.pid}`);
    await endProcess(holder, supervisor_ms_max, signalOne);
  }
  // Were another start to win the lock now, what it starts would be its own: this fails then.
  const lock = takeLock(dataDir);
  const ended = await endRecorded(dataDir);
  if (ended.length > 0) print(`ended ${ended.join(', ')}`);
  print(holder || ended.length > 0 ? 'stopped' : 'nothing is running');
  return lock;
}
