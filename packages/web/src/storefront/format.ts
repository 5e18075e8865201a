import type { Language } from '../ui/i18n.ts';

export function priceText(price: number, currency: string, language: Language): string {
  return new Intl.NumberFormat(language, { style: 'currency', currency }).format(price);
}

/** A moment in the time zone of the device, in words that need no seconds. */
export function timeText(time: string, language: Language): string {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(time));
}
