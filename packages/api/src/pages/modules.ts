import { posix } from 'node:path';
import { transformSync } from 'amaro';
import { init, parse, type Import } from 'es-module-lexer';
import { LIBRARIES, SOURCES } from '@flash-sale/web';

await init();

/** A module as browsers load it, and the URLs of the files that it names. */
export interface BrowserModule {
  readonly text: string;
  /** Loaded together with the module. */
  readonly imports: readonly string[];
  /** Loaded later, if at all: workers and dynamic imports. */
  readonly later: readonly string[];
}

/** How a module names the file of a worker. */
const WORKER = /(?<=new URL\(')\.[^']+(?=', import\.meta\.url\))/g;
const LIBRARY_FOLDER = 'libraries/';

/** A file's path below the folder of the assets: a `.ts` file is served as `.js`. */
export function assetPath(url: string): string {
  const path = url.startsWith(SOURCES.href)
    ? url.slice(SOURCES.href.length)
    : `${LIBRARY_FOLDER}${url.slice(url.lastIndexOf('/node_modules/') + '/node_modules/'.length)}`;
  return path.replace(/\.(?:ts|mjs)$/, '.js');
}

/** The URL of the file that `name` means in the file at `from`. */
export function urlOf(name: string, from: string): string {
  if (/^\.\.?\//.test(name)) return new URL(name, from).href;
  const library = LIBRARIES[name];
  if (library === undefined) throw new Error(`${from} imports "${name}", which packages/web/sources.ts does not list`);
  return library;
}

/**
 * Removes the types from a module, and names its imports by their paths among the assets. Nothing
 * else is changed.
 */
export function browserModule(url: string, source: string): BrowserModule {
  const js = url.endsWith('.ts') ? transformSync(source, { mode: 'strip-only' }).code : source;
  const [all] = parse(js);
  const named = [...all.flatMap(nameOf), ...[...js.matchAll(WORKER)].map(workerOf)].map((name) => ({
    ...name,
    url: urlOf(name.specifier, url),
  }));
  let text = js;
  // From the end, so that the places before it stay.
  for (const { start, end, url: file } of named.toSorted((a, b) => b.start - a.start)) {
    text = text.slice(0, start) + relativePath(assetPath(url), assetPath(file)) + text.slice(end);
  }
  return {
    text,
    imports: named.filter(({ isLater }) => !isLater).map(({ url: file }) => file),
    later: named.filter(({ isLater }) => isLater).map(({ url: file }) => file),
  };
}

interface Name {
  readonly specifier: string;
  readonly start: number;
  readonly end: number;
  readonly isLater: boolean;
}

function nameOf(found: Import): Name[] {
  const { type, specifier, start, end } = found;
  if (type === 'import-meta' || specifier === undefined) return [];
  // The place of a dynamic import includes its quotes.
  if (type === 'dynamic') return [{ specifier, start: start + 1, end: end - 1, isLater: true }];
  return [{ specifier, start, end, isLater: false }];
}

const workerOf = ({ 0: specifier, index }: RegExpExecArray): Name => ({
  specifier,
  start: index,
  end: index + specifier.length,
  isLater: true,
});

function relativePath(from: string, to: string): string {
  const path = posix.relative(posix.dirname(from), to);
  return path.startsWith('.') ? path : `./${path}`;
}
