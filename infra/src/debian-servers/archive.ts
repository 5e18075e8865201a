import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runTool, type RunOptions } from '../services/package-manager.ts';
import { isExecutable } from '../services/programs.ts';
import { StartFailure } from '../services/start-failure.ts';

const PUBLIC_MIRROR = 'http://deb.debian.org/debian';
/** The public keys of the archive. Debian has them from its installation. */
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
const APT_FOLDER = '/etc/apt';

/** The programs that an archive needs, and the folders that it writes to. */
export interface ArchiveOptions extends RunOptions {
  readonly folders: readonly string[];
  /** Default: the keys of this machine. */
  readonly keyring?: string;
}

/** @throws StartFailure unless this machine can download and verify packages of Debian */
export function checkMachine({ folders, keyring = KEYRING }: ArchiveOptions): void {
  const missing = ['apt-get', 'dpkg-deb'].filter(
    (program) => !folders.some((folder) => isExecutable(join(folder, program))),
  );
  if (missing.length > 0) {
    throw new StartFailure(
      `this needs ${missing.join(' and ')}, which Debian and its relatives have. Elsewhere, install the servers yourself, put
their folders first on PATH, or give the addresses of running ones: REDIS_ADDR, DB_HOST, DB_PORT, DB_USER and DB_PASSWORD`,
    );
  }
  if (!isReadable(keyring)) {
    throw new StartFailure(
      `the keys of Debian's archive are not in ${keyring}, so its packages cannot be verified. Install the package debian-archive-keyring`,
    );
  }
}

function isReadable(path: string): boolean {
  try {
    readFileSync(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Downloads packages with all that they need into `<folder>/archives`, and returns the paths of the
 * files. apt verifies the signature of the suite and the checksum of every file. It has a state of
 * its own, so this needs no root and does not touch the machine's packages.
 */
export async function downloadPackages(
  packages: readonly string[],
  { suite, folder, listsFolder }: { suite: string; folder: string; listsFolder: string },
  options: ArchiveOptions,
): Promise<string[]> {
  const { keyring = KEYRING } = options;
  const archives = join(folder, 'archives');
  for (const path of [join(listsFolder, 'partial'), join(archives, 'partial')]) mkdirSync(path, { recursive: true });
  const sources = join(folder, 'sources.list');
  writeFileSync(sources, `deb [signed-by=${keyring}] ${mirrorOf(sourcesOfMachine())} ${suite} main\n`);
  // Nothing is installed, so that apt downloads the libraries too.
  const status = join(folder, 'status');
  writeFileSync(status, '');
  const settings = [
    `Dir::Etc::sourcelist=${sources}`,
    'Dir::Etc::sourceparts=/dev/null',
    `Dir::State::lists=${listsFolder}`,
    `Dir::State::status=${status}`,
    `Dir::Cache=${folder}`,
    'Acquire::Languages=none',
    // By default apt downloads as another user if it runs as root, and that user may not write
    // here.
    'APT::Sandbox::User=root',
  ].flatMap((setting) => ['-o', setting]);
  await runTool(options, 'apt-get', [...settings, 'update']);
  const flags = ['--yes', '--no-install-recommends', '--download-only'];
  await runTool(options, 'apt-get', [...settings, 'install', ...flags, ...packages]);
  return readdirSync(archives)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => join(archives, name));
}

/** The address of Debian's archive in the machine's sources, or the public one. */
export function mirrorOf(sources: readonly string[]): string {
  const lines = sources.flatMap((text) => text.split('\n')).filter((line) => /^\s*(?:deb\s|URIs:)/.test(line));
  const [found] = lines.flatMap((line) => line.match(/https?:\/\/\S+\/debian(?=\/?(?:\s|$))/g) ?? []);
  return found ?? PUBLIC_MIRROR;
}

function sourcesOfMachine(): string[] {
  const list = join(APT_FOLDER, 'sources.list');
  const parts = join(APT_FOLDER, 'sources.list.d');
  return [list, ...namesIn(parts).map((name) => join(parts, name))]
    .filter(isReadable)
    .map((path) => readFileSync(path, 'utf8'));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
