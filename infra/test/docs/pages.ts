import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..', '..');

/** Every page of the project. */
export const PAGES = globSync(['README*.md', 'docs/**/*.md', '.github/*.md', 'packages/*/README.md'], { cwd: ROOT });

export const readPage = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** The blocks of code of a page, without their fences. */
export const codeBlocksOf = (page: string): string[] =>
  [...readPage(page).matchAll(/```\w*\n([^]*?)```/g)].map(([, block]) => block!);
