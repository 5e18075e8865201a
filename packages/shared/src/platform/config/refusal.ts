/**
 * What is said of a setting that does not fit: what was given, what is wanted, and an example. Secrets are never shown.
 */
export function refusal(given: string, wanted: string, example: string): string {
  return `${given}. ${wanted}. Example: ${example}`;
}

const SHOWN_CHARACTERS_MAX = 80;

/** A value as a message may show it. */
export function shown(value: string, isHidden: boolean): string {
  if (isHidden) return `hidden (${value.length} characters)`;
  const open = value
    // Credentials of a URL, also of one that cannot be parsed or has no scheme.
    .replace(/^([A-Za-z][\w+.-]*:\/\/)?.*@/s, '$1[hidden]@')
    .replace(/\?.*$/s, '?[hidden]');
  return JSON.stringify(open.length > SHOWN_CHARACTERS_MAX ? `${open.slice(0, SHOWN_CHARACTERS_MAX)}…` : open);
}
