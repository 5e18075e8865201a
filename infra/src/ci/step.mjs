/**
 * `node infra/src/ci/step.mjs MINUTES COMMAND…`: runs one step of `.ci/run`. A step that takes
 * longer than this many minutes fails, and ends with every process of its group. Runs before
 * anything is installed: plain JavaScript for Node.js 20, without dependencies.
 */
import { spawn } from 'node:child_process';

const GRACE_MS = 30_000;
/** The exit code of `timeout` of the GNU core utilities. */
const TOO_LATE = 124;

const [minutes = '', command = '', ...args] = process.argv.slice(2);
const name = [command, ...args].join(' ');
const beganMs = performance.now();
let isLate = false;

// Servers that a step starts have groups of their own; the step ends them when it gets SIGTERM.
const step = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit'], detached: true });

/** @param {NodeJS.Signals} signal */
function signalGroup(signal) {
  if (step.pid === undefined) return;
  try {
    process.kill(-step.pid, signal);
  } catch {
    // No process of the group is left.
  }
}

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => signalGroup(signal));
}
setTimeout(
  () => {
    isLate = true;
    process.stderr.write(`TOO LATE: ${name} takes more than ${minutes} minutes\n`);
    signalGroup('SIGTERM');
    setTimeout(() => signalGroup('SIGKILL'), GRACE_MS).unref();
  },
  Number(minutes) * 60_000,
).unref();

step.on('error', (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
step.on('exit', (code) => {
  // A process that is left would keep the output of CI open.
  signalGroup('SIGKILL');
  process.exitCode = isLate ? TOO_LATE : (code ?? 1);
  process.stdout.write(`${name}: ${Math.round((performance.now() - beganMs) / 1_000)} s\n`);
});
