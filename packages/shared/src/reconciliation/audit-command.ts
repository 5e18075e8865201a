import { loadConfig } from '../platform/config/config.ts';
import { flag, readCommandLine } from '../platform/process/command-line.ts';
import { startOrExit } from '../platform/process/lifecycle.ts';
import { auditAll, auditText } from './audit-all.ts';

const { values } = await readCommandLine({
  usage: 'npm run audit -- [options]',
  summary: `Compares every sale that Redis keeps with the ledger, entry by entry, and the outbox of each
shard with its sales. Exit code 1: a sale or an outbox was not clean, or could not be audited.`,
  options: {
    repair: flag('rebuild sales that drift from the ledger, correct outboxes, and add late orders to the queue again'),
    json: flag('the result as one JSON document'),
  },
});

await startOrExit(async () => {
  const audited = await auditAll(loadConfig(process.env), values);
  console.log(values.json ? JSON.stringify(audited, null, 2) : auditText(audited, values));
  process.exitCode = audited.clean ? 0 : 1;
});
