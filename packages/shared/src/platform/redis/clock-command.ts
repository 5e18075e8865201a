import { readScripts, type RunScript } from './script-loader.ts';

export type ClockScript = 'clock';
export const CLOCK_SCRIPTS = readScripts(import.meta.url, { clock: {} });

/** @param keyOf any key of a shard: it routes the call and is not read */
export function createClockCommand(run: RunScript<ClockScript>, keyOf: (shard: number) => string) {
  return {
    /** The time of Redis (ms), and its history. */
    async clock(shard: number): Promise<{ nowMs: number; historyId: string }> {
      const [nowMs, historyId] = await run<[number, string]>('clock', [keyOf(shard)], []);
      return { nowMs, historyId };
    },
  };
}

export type ClockCommand = ReturnType<typeof createClockCommand>;
