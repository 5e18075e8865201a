import type { VNode } from 'preact';
import { html } from '../ui/html.ts';

const letters = new Intl.Segmenter();
/** What a reader takes for one letter may be several characters. */
const firstLetter = (name: string): string => letters.segment(name).containing(0)?.segment ?? '';

/** The picture of a product; its first letter if there is none. */
export function ProductPicture({ name, url }: { readonly name: string; readonly url: string | undefined }): VNode {
  return html`<div class=${`picture ${url ? '' : 'letter'}`}>
    ${url ? html`<img src=${url} alt="" loading="lazy" referrerpolicy="no-referrer" />` : html`<span aria-hidden="true">${firstLetter(name)}</span>`}
  </div>`;
}
