/**
 * Replaces the text between the two markers of a part that `npm run bench` writes. Undefined if the
 * markers are missing.
 */
export function replaceMarked(text: string, name: string, part: string): string | undefined {
  const found = bounds(text, begin(name), name);
  return found && `${text.slice(0, found.from)}\n\n${part}\n\n${text.slice(found.to)}`;
}

/** The text between the markers of a part that is written by hand; undefined if there is none. */
export function handWritten(text: string, name: string): string | undefined {
  const found = bounds(text, beginOfHandWritten(name), name);
  return found && text.slice(found.from, found.to).trim();
}

export const begin = (name: string): string => `<!-- ${name}: written by npm run bench -->`;
export const beginOfHandWritten = (name: string): string =>
  `<!-- ${name}: kept by hand, npm run bench leaves it alone -->`;
export const end = (name: string): string => `<!-- end of ${name} -->`;

function bounds(text: string, first: string, name: string): { from: number; to: number } | undefined {
  const from = text.indexOf(first);
  const to = text.indexOf(end(name), from);
  return from < 0 || to < 0 ? undefined : { from: from + first.length, to };
}
