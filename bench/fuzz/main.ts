/**
 * `npm run fuzz`: valid and broken requests for every operation of the OpenAPI document. See
 * `--help`.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { integer, readCommandLine } from '@flash-sale/shared/platform/process/command-line.ts';
import { exitProcess } from '@flash-sale/shared/platform/process/exit.ts';
import { Random } from '../chaos/random.ts';
import { runInFolder } from '../stage/program.ts';
import { fuzz } from './run.ts';
import { startFuzzedService } from './service.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const REQUESTS_MIN = 3_000;
const REQUESTS_DEFAULT = 20_000;

const { values } = await readCommandLine({
  usage: 'npm run fuzz -- [options]',
  summary: `Starts the service on private servers and sends it valid and broken requests, made from its own OpenAPI document. Exit code 1: an answer
is a 5xx, is not declared or breaks its schema, a refused request had an effect, a process ended, or an operation did not succeed 50
times.`,
  options: {
    requests: integer(
      '<n>',
      `number of requests (default ${REQUESTS_DEFAULT}, at least ${REQUESTS_MIN})`,
      REQUESTS_MIN,
      2 ** 31 - 1,
    ),
    seed: integer('<n>', 'seed of all requests (default: a new one)', 0, 2 ** 31 - 1),
  },
});

async function fuzzIn(folder: string): Promise<number> {
  const requests = values.requests ?? REQUESTS_DEFAULT;
  const seed = values.seed ?? Date.now() % 2 ** 31;
  const credentials = {
    operatorToken: randomBytes(16).toString('hex'),
    viewerToken: randomBytes(16).toString('hex'),
    accessTokenSecret: randomBytes(32).toString('hex'),
  };
  const beganMs = Date.now();
  const service = await startFuzzedService(folder, ROOT, credentials);
  try {
    const findings = await fuzz({
      service,
      credentials,
      random: new Random(seed),
      requests,
      progress: (what) => void (process.stdout.isTTY && process.stdout.write(`\r\u001b[K${what}`)),
    });
    const tookS = ((Date.now() - beganMs) / 1_000).toFixed(1);
    const lines = [
      findings.table(),
      '',
      `seed ${seed}: ${findings.requests} requests in ${tookS} s, ${findings.count} findings`,
      ...(findings.count === 0 ? [] : [findings.text()]),
    ];
    process.stdout.write(`${process.stdout.isTTY ? '\r\u001b[K' : ''}${lines.join('\n')}\n`);
    return findings.count === 0 ? 0 : 1;
  } finally {
    await service.close();
  }
}

await exitProcess(await runInFolder('fuzz', fuzzIn));
