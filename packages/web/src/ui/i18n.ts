import { browserMemory } from './memory.ts';
import { createStore, useStore } from './store.ts';

export type Language = 'en' | 'zh-CN';

/** A text with `{name}` for each value; with several forms if the value `n` is counted. */
export type Message = string | { readonly one: string; readonly other: string };
type Values = Readonly<Record<string, string | number>>;
export type Translate<Key extends string> = (key: Key, values?: Values) => string;

const KEY = 'language';
const memory = browserMemory(() => localStorage);

/** The name of each language, in it. */
export const LANGUAGES: Readonly<Record<Language, string>> = { en: 'English', 'zh-CN': '中文' };

const language = createStore<Language>('en');
const show = (chosen: Language): void => {
  language.set(chosen);
  document.documentElement.lang = chosen;
};
show(firstLanguage());

/** The language that the user has chosen, else the first one of the browser that we have. */
function firstLanguage(): Language {
  const kept = memory.read(KEY);
  if (isLanguage(kept)) return kept;
  for (const tag of navigator.languages) {
    if (/^zh\b/i.test(tag)) return 'zh-CN';
    if (/^en\b/i.test(tag)) return 'en';
  }
  return 'en';
}

function isLanguage(value: unknown): value is Language {
  return typeof value === 'string' && Object.hasOwn(LANGUAGES, value);
}

export function chooseLanguage(chosen: Language): void {
  memory.write(KEY, chosen);
  show(chosen);
}

export const useLanguage = (): Language => useStore(language);

/**
 * The locale of dates and numbers: the browser's own one of the present language, such as `en-GB`.
 */
export function useLocale(): string {
  return localeOf(useLanguage());
}

function localeOf(chosen: Language): string {
  const [name] = chosen.split('-');
  return navigator.languages.find((tag) => tag.split('-')[0] === name && isLocale(tag)) ?? chosen;
}

/** Some browsers name a locale in a form that `Intl` refuses, such as `en-US@posix`. */
function isLocale(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}

/**
 * The function that translates into the present language; components are drawn again when it
 * changes.
 */
export function createTranslation<Key extends string>(
  messages: Readonly<Record<Language, Readonly<Record<Key, Message>>>>,
): () => Translate<Key> {
  return function useTranslation() {
    const chosen = useLanguage();
    const plural = new Intl.PluralRules(chosen);
    const locale = localeOf(chosen);
    return (key, values = {}) => {
      const message = messages[chosen][key];
      const form =
        typeof message === 'string' ? message : message[plural.select(Number(values['n'])) === 'one' ? 'one' : 'other'];
      return form.replaceAll(/\{(\w+)\}/g, (_all, name: string) => {
        const value = values[name] ?? '';
        return typeof value === 'number' ? value.toLocaleString(locale) : value;
      });
    };
  };
}
