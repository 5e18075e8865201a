import { join } from 'node:path';
import { lastLines, runToEnd } from './launch.ts';
import { isExecutable } from './programs.ts';
import { StartFailure } from './start-failure.ts';

export interface InstallOptions {
  missing: ('redis' | 'mysql' | 'mysqldump')[];
  folders: string[];
  dataDir: string;
  env: NodeJS.ProcessEnv;
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/**
 * Installs the missing programs with the machine's package manager, where there is one that may
 * be used: apt-get as root, Homebrew on macOS. Only packages that start no service of the system.
 * False where there is no such package manager.
 */
export async function installPrograms(options: InstallOptions): Promise<boolean> {
  const has = (program: string) => options.folders.some((folder) => isExecutable(join(folder, program)));
  if (process.getuid?.() === 0 && has('apt-get')) {
    await installWithApt(options);
    return true;
  }
  if (process.platform === 'darwin' && has('brew')) {
    await run(options, 'brew', ['install', ...options.missing.map((kind) => brewFormulas[kind])]);
    return true;
  }
  return false;
}

/** The programs without the packages that would also start them as services; the first that exists. */
const aptPackages = {
  redis: ['redis-tools'],
  mysql: ['mariadb-server-core', 'mysql-server-core-8.0'],
  mysqldump: ['mariadb-client', 'mysql-client-core-8.0'],
};

const brewFormulas = { redis: 'redis', mysql: 'mariadb', mysqldump: 'mariadb' };

async function installWithApt(options: InstallOptions): Promise<void> {
  // Without a network the lists may still be good enough, so a failed update is not the end.
  await run(options, 'apt-get', ['update']).catch((error: unknown) => {
    options.signal?.throwIfAborted();
    options.log(error instanceof Error ? error.message : String(error));
  });
  for (const kind of options.missing) await installFirst(options, aptPackages[kind]);
}

async function installFirst(options: InstallOptions, [name, ...others]: string[]): Promise<void> {
  const flags = ['--yes', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=120'];
  try {
    await run(options, 'apt-get', ['install', ...flags, name ?? '']);
  } catch (error) {
    options.signal?.throwIfAborted();
    if (others.length === 0) throw error;
    await installFirst(options, others);
  }
}

async function run(options: InstallOptions, program: string, args: string[]): Promise<void> {
  options.log(`${program} ${args.filter((arg) => !/^-|=/.test(arg)).join(' ')}`);
  const { end, logFile } = await runToEnd(
    {
      name: program,
      kind: 'server',
      dataDir: options.dataDir,
      program,
      args,
      env: { ...options.env, DEBIAN_FRONTEND: 'noninteractive', HOMEBREW_NO_AUTO_UPDATE: '1' },
    },
    options.signal,
  );
  if (end.code !== 0) {
    throw new StartFailure(`${program} ${args[0]} failed. The end of ${logFile}:\n${lastLines(logFile)}`);
  }
}
