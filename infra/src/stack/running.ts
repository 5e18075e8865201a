import { ConfigSchema } from '@flash-sale/shared/platform/config/config.ts';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeWholeFile } from '../services/whole-file.ts';

const runningPath = (dataDir: string) => join(dataDir, 'running.json');

/**
 * Stores the settings of the running service (ports, addresses, passwords) for operators' commands.
 * Only the owner can read the file; it is deleted when the service ends.
 */
export function writeRunning(dataDir: string, env: NodeJS.ProcessEnv): Disposable {
  const settings = Object.keys(ConfigSchema)
    .filter((name) => env[name] !== undefined)
    .map((name) => [name, env[name]]);
  writeWholeFile(runningPath(dataDir), JSON.stringify(Object.fromEntries(settings), null, 2));
  return {
    [Symbol.dispose]() {
      rmSync(runningPath(dataDir), { force: true });
    },
  };
}

/**
 * The settings of the service that runs from a data folder, as environment variables; undefined if
 * none runs.
 */
export function readRunning(dataDir: string): Record<string, string> | undefined {
  try {
    return JSON.parse(readFileSync(runningPath(dataDir), 'utf8')) as Record<string, string>;
  } catch {
    return undefined;
  }
}
