import { readCommandLine } from '@flash-sale/shared/platform/process/command-line.ts';
import { exitProcess } from '@flash-sale/shared/platform/process/exit.ts';
import { askForAdvisories } from './supply-chain/advisories.ts';

/**
 * `npm run advisories`: exits with code 1 if a used package has a known vulnerability of high or
 * critical severity.
 */
await readCommandLine({
  usage: 'npm run advisories',
  summary: 'Asks the registry for known vulnerabilities of the packages in use. Exit code 1: at least one is severe.',
});

const { verdict, text } = await askForAdvisories();
console.log(text);
if (verdict === 'no answer') console.log('NOT CHECKED: the registry gave no answer about known vulnerabilities.');
await exitProcess(verdict === 'vulnerable' ? 1 : 0);
