import { createStore } from '../ui/store.ts';

export type Route =
  | { readonly page: 'sales' }
  | { readonly page: 'sale'; readonly productId: number }
  | { readonly page: 'orders' }
  /** A wrong address of a sale. */
  | { readonly page: 'no_sale' };

/** The page that the address names. Paths are relative to the base of the document. */
function routeOf(url: string): Route {
  const path = new URL(url).pathname.slice(new URL(document.baseURI).pathname.length);
  const [, productId] = /^sales\/([1-9]\d{0,15})\/?$/.exec(path) ?? [];
  if (Number.isSafeInteger(Number(productId))) return { page: 'sale', productId: Number(productId) };
  if (/^sales\/./.test(path)) return { page: 'no_sale' };
  return /^orders\/?$/.test(path) ? { page: 'orders' } : { page: 'sales' };
}

export const route = createStore<Route>(routeOf(location.href));
addEventListener('popstate', () => route.set(routeOf(location.href)));

/**
 * Follows links of the storefront without loading the document again. Links that open elsewhere
 * stay links.
 */
export function followLinks(event: MouseEvent): void {
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (link === null || !isPlain || event.defaultPrevented || link.target !== '') return;
  if (!link.href.startsWith(document.baseURI)) return;
  event.preventDefault();
  history.pushState(null, '', link.href);
  route.set(routeOf(link.href));
  scrollTo(0, 0);
  // A screen reader starts at the new page, and the next tab stop is in it.
  document.querySelector<HTMLElement>('#main')?.focus();
}
