/**
 * The time limit of waiting for something that must happen: long enough for a busy machine. A poll
 * ends as soon as its condition holds, so only a failure takes this long.
 */
export const SOON = { timeout: 10_000, interval: 20 };
