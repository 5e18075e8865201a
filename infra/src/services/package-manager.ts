import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { lastLines, runToEnd } from './launch.ts';
import { isExecutable } from './programs.ts';
import { StartFailure } from './start-failure.ts';

export interface InstallOptions extends RunOptions {
  missing: ('redis' | 'mysql' | 'mysqldump' | 'chromium')[];
  folders: string[];
}

/** How a tool of the machine is run. */
export interface RunOptions {
  dataDir: string;
  env: NodeJS.ProcessEnv;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Installs the missing programs with the machine's package manager, if it may be used: apt-get as
 * root, Homebrew on macOS. Only packages that start no system service. Returns false if there is no
 * such package manager.
 */
export async function installPrograms(options: InstallOptions): Promise<boolean> {
  const has = (program: string) => options.folders.some((folder) => isExecutable(join(folder, program)));
  if (process.getuid?.() === 0 && has('apt-get')) {
    await installWithApt(options);
    return true;
  }
  if (process.platform === 'darwin' && has('brew')) {
    await runTool(options, 'brew', ['install', ...options.missing.map((kind) => brewFormulas[kind])]);
    return true;
  }
  return false;
}

/**
 * The programs, without the packages that would also start them as services. For each, the first
 * packages that exist are used.
 */
const aptPackages = {
  redis: [['redis-tools']],
  mysql: [['mariadb-server-core'], ['mysql-server-core-8.0']],
  mysqldump: [['mariadb-client'], ['mysql-client-core-8.0']],
  chromium: [['chromium', 'fonts-dejavu-core']],
};

const brewFormulas = { redis: 'redis', mysql: 'mariadb', mysqldump: 'mariadb', chromium: 'chromium' };

async function installWithApt(options: InstallOptions): Promise<void> {
  await updateLists(options);
  for (const kind of options.missing) await installFirst(options, aptPackages[kind]);
}

/** Without a network the present lists may be sufficient, so continue after a failed update. */
async function updateLists(options: RunOptions): Promise<void> {
  await runTool(options, 'apt-get', ['update']).catch((error: unknown) => {
    options.signal?.throwIfAborted();
    options.log(error instanceof Error ? error.message : String(error));
  });
}

/**
 * Unpacks a Debian package into a folder without installing it, since that would also start a
 * system service. Returns false if the machine has no apt.
 */
export async function unpackDebianPackage(
  name: string,
  folder: string,
  options: RunOptions & { folders: string[] },
): Promise<boolean> {
  const has = (program: string) => options.folders.some((place) => isExecutable(join(place, program)));
  if (!has('apt-get') || !has('dpkg-deb')) return false;
  mkdirSync(folder, { recursive: true });
  if (process.getuid?.() === 0) await updateLists(options);
  await runTool(options, 'apt-get', ['download', name], folder);
  const file = readdirSync(folder).find((entry) => entry.startsWith(`${name}_`) && entry.endsWith('.deb'));
  if (file === undefined) throw new StartFailure(`apt-get download ${name} downloaded no package`);
  await runTool(options, 'dpkg-deb', ['--extract', join(folder, file), folder]);
  return true;
}

async function installFirst(options: InstallOptions, [names = [], ...others]: string[][]): Promise<void> {
  const flags = ['--yes', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120'];
  try {
    await runTool(options, 'apt-get', ['install', ...flags, ...names]);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (others.length === 0) throw error;
    await installFirst(options, others);
  }
}

/**
 * Runs a tool of the machine to its end. @throws StartFailure with the end of its log if it fails
 */
export async function runTool(options: RunOptions, program: string, args: string[], cwd?: string): Promise<void> {
  options.log(`${program} ${args.filter((arg) => !/^-|=/.test(arg)).join(' ')}`);
  const { end, logFile } = await runToEnd(
    {
      name: program,
      kind: 'server',
      dataDir: options.dataDir,
      program,
      args,
      ...(cwd === undefined ? {} : { cwd }),
      env: { ...options.env, DEBIAN_FRONTEND: 'noninteractive', HOMEBREW_NO_AUTO_UPDATE: '1' },
    },
    options.signal,
  );
  if (end.code !== 0) {
    throw new StartFailure(`${program} ${args[0]} failed. The end of ${logFile}:\n${lastLines(logFile)}`);
  }
}
