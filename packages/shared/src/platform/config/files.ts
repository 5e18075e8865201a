import { readFileSync } from 'node:fs';
import { refusal, shown } from './refusal.ts';

type Env = Readonly<Record<string, string | undefined>>;

const UTF_8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads variables from files, the way in which container platforms pass secrets: `NAME_FILE` is the
 * path of a file with the value of `NAME`. So the environment of the process contains no secret.
 *
 * @param secrets the `names` whose values must not be shown, even if one is given instead of a
 * path; all of them by default
 * @returns `env` with the values instead of the paths, and a sentence for each file that cannot be
 * used
 */
export function withFiles(
  env: Env,
  names: readonly string[],
  secrets: readonly string[] = names,
): { readonly env: Record<string, string | undefined>; readonly problems: string[] } {
  const read = { ...env };
  const problems: string[] = [];
  for (const name of names) {
    const path = env[`${name}_FILE`] ?? '';
    if (path === '') continue;
    delete read[`${name}_FILE`];
    // A secret may have been given instead of its path.
    const given = `${name}_FILE is ${shown(path, secrets.includes(name))}`;
    const example = `${name}_FILE=/run/secrets/${name.toLowerCase()}`;
    const refuse = (what: string, wanted: string) => problems.push(refusal(`${given}: ${what}`, wanted, example));
    if ((env[name] ?? '') !== '') {
      refuse(`${name} and ${name}_FILE are both set`, 'Unset one of them');
      continue;
    }
    const value = textOf(path);
    if (value instanceof Error) {
      refuse(
        `${name}_FILE cannot be read: ${value.message}`,
        'It must be the path of a file that this process may read, in UTF-8',
      );
    } else if (value === '') {
      refuse(`${name}_FILE is empty`, `The file must hold the value of ${name}`);
    } else {
      read[name] = value;
    }
  }
  return { env: read, problems };
}

/**
 * The text of a file, without a byte order mark and without line breaks at its end, which editors
 * add.
 */
function textOf(path: string): string | Error {
  try {
    // `TextDecoder` removes the mark of UTF-8. UTF-16, as Windows writes it, is not UTF-8.
    const text = UTF_8.decode(readFileSync(path));
    return text.includes('\0') ? new Error('it is not UTF-8') : text.replace(/[\r\n]+$/, '');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return new Error(code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8' : (code ?? 'unknown error'));
  }
}
