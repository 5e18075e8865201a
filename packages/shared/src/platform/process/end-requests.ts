import { exitProcess } from './exit.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Ends the process, for this reason. */
type End = (reason: string) => void;

let end: End = () => void exitProcess(0);

/**
 * From now on SIGINT, SIGTERM and the loss of the parent process end this process at once, until
 * `onEndRequest` sets another way. Call this first: the kernel ignores a signal that has no handler
 * if the process is the first one of a container.
 */
export function listenToEndRequests(): void {
  for (const signal of SIGNALS) process.on(signal, () => end(signal));
  // The channel to the parent process, if that one opened any.
  process.once('disconnect', () => end('parent gone'));
}

/**
 * Sets what a request to end does. It may be called several times: a terminal and npm both send a
 * signal.
 */
export function onEndRequest(next: End): void {
  end = next;
}
