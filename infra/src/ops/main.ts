import { print } from '../stack/command.ts';
import { runOps } from './run.ts';

process.exitCode = await runOps(process.argv.slice(2), process.env, {
  print,
  complain: (line) => void process.stderr.write(`${line}\n`),
});
