import { flag, readCommandLine } from '../process/command-line.ts';

const {
  values: { json },
} = await readCommandLine({
  usage: 'npm run migrate -- [options]',
  summary: 'Migrates the database and ends.',
  options: { json: flag('the names of the migrations that ran, as one JSON document') },
});

// It takes half a second to load the rest.
const { loadConfig } = await import('../config/config.ts');
const { startOrExit } = await import('../process/lifecycle.ts');
const { migrate } = await import('./migrate.ts');

/**
 * Migrates the database and ends, for deployments that do this separately from the start of a
 * process.
 */
await startOrExit(async () => {
  const migrations = await migrate(loadConfig(process.env));
  if (json) console.log(JSON.stringify({ migrations }, null, 2));
  else console.log(migrations.length === 0 ? 'the database is up to date' : `migrated: ${migrations.join(', ')}`);
});
