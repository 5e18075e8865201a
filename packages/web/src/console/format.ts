/** Numbers, times and sums as people of a language write them. */
export function numberText(value: number | null | undefined, locale: string, digits = 0): string {
  if (value === null || value === undefined) return '–';
  return value.toLocaleString(locale, { maximumFractionDigits: digits });
}

export function timeText(time: string | null | undefined, locale: string): string {
  if (time === null || time === undefined) return '–';
  return new Date(time).toLocaleString(locale, { dateStyle: 'short', timeStyle: 'medium' });
}

/** `1.2 s`, or `–` if there is no age. */
export function ageText(ageMs: number | null | undefined, locale: string): string {
  return ageMs === null || ageMs === undefined ? '–' : `${numberText(ageMs / 1_000, locale, 1)} s`;
}

export function shareText(share: number, locale: string): string {
  return share.toLocaleString(locale, { style: 'percent' });
}

/** A time as a field for a local time takes it. */
export function localTimeOf(time: string): string {
  const date = new Date(time);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** The time of a field for a local time, in UTC. */
export function utcOf(localTime: string): string {
  return new Date(localTime).toISOString();
}
