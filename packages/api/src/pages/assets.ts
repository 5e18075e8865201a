import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, gzip, type ZlibOptions } from 'node:zlib';
import { PAGES, SOURCES } from '@flash-sale/web';

export type PageName = keyof typeof PAGES;

/** A file of the pages, as it is sent. */
export interface Asset {
  readonly type: string;
  readonly plain: Buffer;
  readonly br: () => Promise<Buffer>;
  readonly gzip: () => Promise<Buffer>;
}

/** The paths of the files that a page loads at once. */
export interface PageFiles {
  readonly styles: readonly string[];
  /** The module that starts the page comes first. */
  readonly modules: readonly string[];
}

export interface Assets {
  /** Changes when any file changes, so browsers may keep every file without asking again. */
  readonly hash: string;
  readonly files: ReadonlyMap<string, Asset>;
  readonly pages: Readonly<Record<PageName, PageFiles>>;
}

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

let known: Promise<Assets> | undefined;

/**
 * The files of all pages: the modules that start them, their styles, and everything that they
 * import. There is no build step and no bundle: types are removed here, when a process is first
 * asked for a page. That takes 0.3 s of CPU, in small parts, which was a sixth of its start.
 */
export function pageAssets(): Promise<Assets> {
  known ??= readAssets().catch((error: unknown) => {
    known = undefined;
    throw error;
  });
  return known;
}

async function readAssets(): Promise<Assets> {
  const { assetPath, browserModule, urlOf } = await import('./modules.ts');
  const texts = new Map<string, string>();
  /** For each module, the paths of those that are loaded together with it. */
  const imported = new Map<string, readonly string[]>();
  const add = async (url: string): Promise<string> => {
    const path = assetPath(url);
    if (texts.has(path)) return path;
    const source = await readFile(fileURLToPath(url), 'utf8');
    texts.set(path, source);
    if (extname(path) === '.js') {
      const { text, imports, later } = browserModule(url, source);
      texts.set(path, text);
      imported.set(path, await addAll(imports));
      await addAll(later);
    }
    return path;
  };
  // One after another, so that their order, and with it the hash, is the same in every process.
  const addAll = async (urls: readonly string[]): Promise<string[]> => {
    const paths: string[] = [];
    for (const url of urls) paths.push(await add(url));
    return paths;
  };
  const filesOf = async (name: PageName): Promise<PageFiles> => {
    const { entry, styles } = PAGES[name];
    const modules = new Set([await add(urlOf(entry, SOURCES.href))]);
    for (const path of modules) for (const other of imported.get(path)!) modules.add(other);
    return { styles: await addAll(styles.map((style) => urlOf(style, SOURCES.href))), modules: [...modules] };
  };
  const pages = { storefront: await filesOf('storefront'), console: await filesOf('console') };
  const hash = createHash('sha256').update(JSON.stringify([...texts]));
  return {
    hash: hash.digest('base64url').slice(0, 16),
    files: new Map([...texts].map(([path, text]) => [path, assetOf(path, text)])),
    pages,
  };
}

function assetOf(path: string, text: string): Asset {
  const type = TYPES[extname(path)];
  if (type === undefined) throw new Error(`${path} has no known type`);
  const plain = Buffer.from(text);
  return { type, plain, br: once(() => toBrotli(plain)), gzip: once(() => toGzip(plain, { level: 9 })) };
}

const toBrotli = promisify<Buffer, Buffer>(brotliCompress);
const toGzip = promisify<Buffer, ZlibOptions, Buffer>(gzip);

/**
 * Does the work when its result is first needed. To compress every file at the start, as once was
 * done, took a third of the time until a process was ready.
 */
function once<Result>(work: () => Promise<Result>): () => Promise<Result> {
  let result: Promise<Result> | undefined;
  return () => (result ??= work());
}
