import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

const SOURCES = join(import.meta.dirname, '../src');

/** The paths of the service's Lua files, each of which lies beside the TypeScript that runs it. */
export async function luaFiles(): Promise<string[]> {
  const names = await readdir(SOURCES, { recursive: true });
  return names.filter((name) => name.endsWith('.lua')).map((name) => join(SOURCES, name));
}
