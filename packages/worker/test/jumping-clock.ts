/**
 * Loaded before a process (`--import`): at each SIGUSR2 its steady clock jumps a minute ahead, so
 * that a test need not wait for it.
 */
const JUMP_MS = 60_000;
const steady = performance.now.bind(performance);
let aheadMs = 0;

performance.now = () => steady() + aheadMs;
process.on('SIGUSR2', () => {
  aheadMs += JUMP_MS;
});
