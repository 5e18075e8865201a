import { readScripts, type RedisCalls } from '../redis/script-loader.ts';

export type ProcessScript = 'note_process';
export const PROCESS_SCRIPTS = readScripts(import.meta.url, { note_process: {} });

/** What a process says of itself, for operators. */
export interface ProcessReport {
  readonly kind: 'api' | 'worker';
  readonly host: string;
  readonly pid: number;
  readonly startedAtMs: number;
  /** CPU time since the last report, of one core: 1 is a whole core. */
  readonly cpu: number;
  /** The part of the time since the last report in which its event loop was busy, 0 to 1. */
  readonly busy: number;
  readonly memoryBytes: number;
}

/** @param key the hash of all processes */
export function createProcessCommands({ redis, run }: RedisCalls<ProcessScript>, key: string) {
  return {
    /** Notes that the process `name` lives; those not noted for `keptMs` are forgotten. */
    async noteProcess(name: string, report: ProcessReport, keptMs: number): Promise<void> {
      await run('note_process', [key], [name, JSON.stringify(report), keptMs]);
    },

    /** The processes that were noted lately, by name. */
    async processes(): Promise<ReadonlyMap<string, ProcessReport>> {
      const noted = Object.entries(await redis.hgetall(key));
      return new Map(
        noted.map(([name, text]) => [name, JSON.parse(text.slice(text.indexOf(' ') + 1)) as ProcessReport]),
      );
    },

    /** Forgets a process that stops. */
    async forgetProcess(name: string): Promise<void> {
      await redis.hdel(key, name);
    },
  };
}
