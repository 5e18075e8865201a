import { UsageError } from '@flash-sale/shared/platform/process/command-line.ts';
import { DEBIAN_SERVERS } from '../debian-servers/catalog.ts';

/** Servers to run everything on. */
export interface Combination {
  /** As it is typed: `machine`, `given`, or names of downloadable servers with a plus. */
  readonly name: string;
  /** The servers to download. What is missing here is the machine's own. */
  readonly downloads: readonly string[];
  /** The servers that the environment names, which nobody may start or stop. */
  readonly isGiven: boolean;
}

/** @throws UsageError if a name is unknown */
export function combinationsOf(typed: string): Combination[] {
  return typed.split(',').map((each) => {
    const name = each.trim();
    if (name === 'machine' || name === 'given') return { name, downloads: [], isGiven: name === 'given' };
    const downloads = name.split('+');
    const unknown = downloads.find((download) => !Object.hasOwn(DEBIAN_SERVERS, download));
    if (unknown !== undefined) {
      const known = [...Object.keys(DEBIAN_SERVERS), 'machine', 'given'].join(', ');
      throw new UsageError(`There are no servers '${unknown}'; there are ${known}`);
    }
    return { name, downloads, isGiven: false };
  });
}

/**
 * The environment for the programs of a combination. Unless the environment's servers are wanted,
 * no program may find them.
 */
export function environmentFor(
  { isGiven }: Combination,
  env: NodeJS.ProcessEnv,
  path: string | undefined,
): NodeJS.ProcessEnv {
  const entries = Object.entries(env).filter(([name]) => isGiven || !/^(?:DB|REDIS)_/.test(name));
  return { ...Object.fromEntries(entries), PATH: path };
}
