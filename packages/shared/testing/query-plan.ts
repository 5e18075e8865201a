import { CompiledQuery, type Compilable } from 'kysely';
import type { Db } from '../src/platform/mysql/client.ts';

/** How the server reads one table of a query. */
export interface PlanStep {
  readonly key: string | null;
  readonly sorts: boolean;
  /** The index has all columns that the query needs. */
  readonly indexOnly: boolean;
}

/**
 * The server's plan of a query, for tables with enough rows. Asks for the format that MySQL and
 * MariaDB have in common: by default MySQL 9 answers with a tree.
 */
export async function planOf(db: Db, query: Compilable): Promise<PlanStep[]> {
  const { sql, parameters } = query.compile();
  const explain = CompiledQuery.raw(`EXPLAIN FORMAT=TRADITIONAL ${sql}`, [...parameters]);
  const { rows } = await db.executeQuery<{ key: string | null; Extra: string | null }>(explain);
  return rows.map(({ key, Extra }) => ({
    key,
    sorts: /filesort|temporary/i.test(Extra ?? ''),
    indexOnly: /Using index(?! condition)/.test(Extra ?? ''),
  }));
}
