/** The folder of the pages' own files. Those below it are served to browsers. */
export const SOURCES = new URL('./src/', import.meta.url);

/** A page: the module that starts it, and its style sheets, in their order. */
export interface PageSource {
  readonly entry: string;
  readonly styles: readonly string[];
}

/** Paths below `SOURCES`, or names in `LIBRARIES`. */
export const PAGES = {
  storefront: { entry: './storefront/main.ts', styles: ['./ui/ui.css', './storefront/storefront.css'] },
  console: { entry: './console/main.ts', styles: ['./ui/ui.css', 'uplot/dist/uPlot.min.css', './console/console.css'] },
} as const satisfies Record<string, PageSource>;

/**
 * The libraries that pages may import, and the file of each. Those files, and what they import, are
 * served as well.
 */
export const LIBRARIES: Readonly<Record<string, string>> = {
  '@noble/hashes/sha2.js': import.meta.resolve('@noble/hashes/sha2.js'),
  'altcha-lib': import.meta.resolve('altcha-lib'),
  htm: import.meta.resolve('htm'),
  preact: import.meta.resolve('preact'),
  'preact/hooks': import.meta.resolve('preact/hooks'),
  // Its package names only the file for other programs.
  uplot: import.meta.resolve('uplot/dist/uPlot.esm.js'),
  'uplot/dist/uPlot.min.css': import.meta.resolve('uplot/dist/uPlot.min.css'),
};
