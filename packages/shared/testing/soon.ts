/**
 * How long something that has to happen is waited for: long enough for a machine that is busy with
 * other things. A poll ends as soon as its condition holds, so that only a failure takes this long.
 */
export const SOON = { timeout: 10_000, interval: 20 };
