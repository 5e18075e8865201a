import type { VNode } from 'preact';
import { html } from './html.ts';
import { chooseLanguage, LANGUAGES, useLanguage, type Language } from './i18n.ts';

/** One button for each language. Each is named in its own language, so that anybody finds it. */
export function LanguageSwitch({ label }: { readonly label: string }): VNode {
  const chosen = useLanguage();
  return html`<div class="language-switch" role="group" aria-label=${label}>
    ${(Object.entries(LANGUAGES) as [Language, string][]).map(
      ([language, name]) =>
        html`<button
          key=${language}
          type="button"
          lang=${language}
          aria-pressed=${String(language === chosen)}
          onClick=${() => chooseLanguage(language)}
        >
          ${name}
        </button>`,
    )}
  </div>`;
}
