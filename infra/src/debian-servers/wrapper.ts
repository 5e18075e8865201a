import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StartFailure } from '../services/start-failure.ts';
import type { DebianProgram } from './catalog.ts';

/** MySQL and MariaDB accept these only as the first option. */
const FIRST_OPTIONS = '--no-defaults|--defaults-file=*|--defaults-extra-file=*|--print-defaults';

/**
 * Writes `<folder>/bin/<name>`, which runs a program of the packages in `<folder>/root` with the
 * libraries there: those of this machine may be too old for it.
 *
 * @param home the folder's path when it is complete: the script is only right there
 */
export function writeWrapper(folder: string, home: string, program: DebianProgram): void {
  const bin = join(folder, 'bin');
  mkdirSync(bin, { recursive: true });
  const text = wrapperText(program, join(home, 'root'), libraryFolderIn(join(folder, 'root')));
  writeFileSync(join(bin, program.name), text, { mode: 0o755 });
}

function wrapperText(
  { name, path, options }: DebianProgram,
  root: string,
  libraries: { folder: string; loader: string },
): string {
  const lines = ['#!/bin/sh'];
  if (options !== undefined) {
    const own = options(root).map(quoted).join(' ');
    lines.push(
      'case ${1-} in',
      `  ${FIRST_OPTIONS}) first=$1; shift; set -- "$first" ${own} "$@" ;;`,
      `  *) set -- ${own} "$@" ;;`,
      'esac',
    );
  }
  const folder = join(root, libraries.folder);
  // With its folder: by the name alone, mysqld takes the first one on PATH for itself.
  const as = join(root, dirname(path), name);
  const command = [join(folder, libraries.loader), '--library-path', folder, '--argv0', as, join(root, path)];
  lines.push(`exec ${command.map(quoted).join(' ')} "$@"`);
  return `${lines.join('\n')}\n`;
}

/** One word for the shell, whatever it has in it. */
const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`;

/** The folder of the libraries, whose name is that of the machine's architecture. */
function libraryFolderIn(root: string): { folder: string; loader: string } {
  for (const entry of readdirSync(join(root, 'usr/lib'), { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const loader = readdirSync(join(root, 'usr/lib', entry.name)).find((name) => /^ld-linux.*\.so\.\d+$/.test(name));
    if (loader !== undefined) return { folder: `usr/lib/${entry.name}`, loader };
  }
  throw new StartFailure(`there is no loader of programs under ${join(root, 'usr/lib')}`);
}
