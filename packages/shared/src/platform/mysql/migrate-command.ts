import { loadConfig } from '../config/config.ts';
import { readCommandLine } from '../process/command-line.ts';
import { startOrExit } from '../process/lifecycle.ts';
import { migrate } from './migrate.ts';

readCommandLine({ usage: 'npm run migrate', summary: 'Migrates the database and ends.' });

/**
 * Migrates the database and ends, for deployments that do this separately from the start of a
 * process.
 */
await startOrExit(async () => {
  const migrations = await migrate(loadConfig(process.env));
  console.log(migrations.length === 0 ? 'the database is up to date' : `migrated: ${migrations.join(', ')}`);
});
