import { loadConfig } from '../config/config.ts';
import { flag, readCommandLine } from '../process/command-line.ts';
import { startOrExit } from '../process/lifecycle.ts';
import { migrate } from './migrate.ts';

const {
  values: { json },
} = await readCommandLine({
  usage: 'npm run migrate -- [options]',
  summary: 'Migrates the database and ends.',
  options: { json: flag('the names of the migrations that ran, as one JSON document') },
});

/**
 * Migrates the database and ends, for deployments that do this separately from the start of a
 * process.
 */
await startOrExit(async () => {
  const migrations = await migrate(loadConfig(process.env));
  if (json) console.log(JSON.stringify({ migrations }, null, 2));
  else console.log(migrations.length === 0 ? 'the database is up to date' : `migrated: ${migrations.join(', ')}`);
});
