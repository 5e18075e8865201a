import { readScripts, type RedisCalls } from './script-loader.ts';

export type LeadScript = 'lead' | 'resign';
export const LEAD_SCRIPTS = readScripts(import.meta.url, { lead: {}, resign: {} });

/** @param keyOf the key that names the leader of a service of a shard */
export function createLeadCommands(
  { run, runInTime }: RedisCalls<LeadScript>,
  keyOf: (shard: number, service: string) => string,
) {
  return {
    /** Takes or keeps the lead for the process `name`. Returns whether it leads. */
    async lead(shard: number, service: string, name: string, lifeMs: number): Promise<boolean> {
      const isLate = (answer: number): boolean => answer === -1;
      const { reply } = await runInTime<number>(shard, 'lead', [keyOf(shard, service)], [name, lifeMs], isLate);
      return reply === 1;
    },

    async resign(shard: number, service: string, name: string): Promise<void> {
      await run('resign', [keyOf(shard, service)], [name]);
    },
  };
}
