/**
 * The message about a setting that does not fit: the given value, the required form, and an
 * example. It never shows secrets.
 */
export function refusal(given: string, wanted: string, example: string): string {
  return `${given}. ${wanted}. Example: ${example}`;
}

const SHOWN_CHARACTERS_MAX = 80;

/** A value in the form in which a message may show it. */
export function shown(value: string, isHidden: boolean): string {
  if (isHidden) return `hidden (${value.length} characters)`;
  const open = value
    // Hide credentials of a URL, also if it cannot be parsed or has no scheme.
    .replace(/^([A-Za-z][\w+.-]*:\/\/)?.*@/s, '$1[hidden]@')
    .replace(/\?.*$/s, '?[hidden]');
  return JSON.stringify(open.length > SHOWN_CHARACTERS_MAX ? `${open.slice(0, SHOWN_CHARACTERS_MAX)}…` : open);
}
