import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BrokenBuild } from './table.ts';

/**
 * Copies the files that a process of the service needs, and patches the copy. pnpm's links inside
 * the packages are relative and are copied unchanged, so that one package leads to the copy of
 * another. Only the root's `node_modules`, which has none of our files, is a link to the original.
 *
 * @returns the root of the copy
 * @throws if the patch does not fit exactly once
 */
export function copyBroken(root: string, into: string, build: BrokenBuild): string {
  mkdirSync(into, { recursive: true });
  cpSync(join(root, 'packages'), join(into, 'packages'), { recursive: true, verbatimSymlinks: true });
  cpSync(join(root, 'package.json'), join(into, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(into, 'node_modules'));
  const path = join(into, build.file);
  writeFileSync(path, patched(readFileSync(path, 'utf8'), build));
  return into;
}

/** The text with the patch applied. */
export function patched(text: string, { name, file, find, replace }: BrokenBuild): string {
  const parts = text.split(find);
  if (parts.length !== 2) throw new Error(`the patch of ${name} fits ${parts.length - 1} times into ${file}, not once`);
  return parts.join(replace);
}
