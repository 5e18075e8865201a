import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';

const PROGRAM = join(import.meta.dirname, '../../src/ci/step.mjs');

/** Runs a shell script as a step. The output ends when no process has it open any more. */
async function runStep(script: string, { minutes = '1', signal = '' } = {}) {
  const step = spawn(process.execPath, [PROGRAM, minutes, 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<number | null>((resolve) => step.once('exit', resolve));
  if (signal !== '') step.stdout.once('data', () => step.kill(signal as NodeJS.Signals));
  const [output, errors, code] = await Promise.all([text(step.stdout), text(step.stderr), exited]);
  return { output, errors, code };
}

test('a step of CI keeps its exit code, and says how long it took', async () => {
  const { output, code } = await runStep('echo out; exit 3');
  expect(output).toBe('out\nsh -c echo out; exit 3: 0 s\n');
  expect(code).toBe(3);
});

test('a step that hangs fails by name, though it ends well when it is told to', async () => {
  const { errors, code } = await runStep("trap 'exit 0' TERM; sleep 1000 & wait", { minutes: '0.01' });
  expect(errors).toContain('TOO LATE: sh -c trap');
  expect(code).toBe(124);
});

test('a process that a step leaves behind does not keep the output of CI open', async () => {
  const { code } = await runStep('sleep 1000 & exit 0');
  expect(code).toBe(0);
});

test('a signal to a step reaches the programs that it runs', async () => {
  // By its trap, the shell also ends if the signal comes before it sleeps.
  const { output } = await runStep("trap 'echo told; exit' TERM; echo started; sleep 1000 & wait", {
    signal: 'SIGTERM',
  });
  expect(output).toContain('told');
});
