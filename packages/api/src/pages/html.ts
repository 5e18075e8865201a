import type { Assets, PageName } from './assets.ts';

export interface PageOptions {
  readonly name: PageName;
  readonly assets: Assets;
  /** The path below which clients see the service behind a proxy, or empty. */
  readonly basePath: string;
  /** What the page must know about the service. Anybody can read it. */
  readonly settings: Readonly<Record<string, unknown>>;
}

const TITLES: Readonly<Record<PageName, string>> = { storefront: 'Flash sale', console: 'Flash sale console' };

/**
 * The document of a page. Its script builds the rest. All URLs in it are relative to its base, so
 * it works behind a proxy that adds a path. It has no inline script or style: the policy refuses
 * those.
 */
export function pageHtml({ name, assets, basePath, settings }: PageOptions): string {
  const { styles, modules } = assets.pages[name];
  const urlOf = (path: string): string => `assets/${assets.hash}/${path}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${TITLES[name]}</title>
<base href="${escaped(basePath)}/">
<link rel="icon" href="data:,">
${styles.map((path) => `<link rel="stylesheet" href="${urlOf(path)}">`).join('\n')}
${modules.map((path) => `<link rel="modulepreload" href="${urlOf(path)}">`).join('\n')}
<script type="module" src="${urlOf(modules[0]!)}"></script>
</head>
<body>
<div id="app" data-settings="${escaped(JSON.stringify(settings))}"></div>
<noscript>
<main class="noscript">
<h1>${TITLES[name]}</h1>
<p>This page needs JavaScript. Turn it on in the settings of your browser, then load the page again.</p>
<p lang="zh-CN">此页面需要 JavaScript。请在浏览器设置中启用 JavaScript，然后重新加载页面。</p>
</main>
</noscript>
</body>
</html>
`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '"': '&quot;', '<': '&lt;', '>': '&gt;' };

const escaped = (text: string): string => text.replaceAll(/[&"<>]/g, (character) => ENTITIES[character]!);
