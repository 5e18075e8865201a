import { readFileSync } from 'node:fs';

type Env = Readonly<Record<string, string | undefined>>;

/**
 * Variables whose values are in files, as container platforms hand out secrets: `NAME_FILE` holds the path of a file with the value of
 * `NAME`. Whoever can list a process's environment then sees no secret.
 *
 * @returns `env` with the values in place of the paths, and a sentence for each file that cannot be used
 */
export function withFiles(
  env: Env,
  names: readonly string[],
): { readonly env: Record<string, string | undefined>; readonly problems: string[] } {
  const read = { ...env };
  const problems: string[] = [];
  for (const name of names) {
    const path = env[`${name}_FILE`] ?? '';
    if (path === '') continue;
    delete read[`${name}_FILE`];
    if ((env[name] ?? '') !== '') {
      problems.push(`${name} and ${name}_FILE are both set`);
      continue;
    }
    try {
      // Editors and `echo` end a file with a line break that is no part of the secret.
      read[name] = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
    } catch (error) {
      problems.push(`${name}_FILE cannot be read: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'}`);
      continue;
    }
    if (read[name] === '') problems.push(`${name}_FILE is empty`);
  }
  return { env: read, problems };
}
