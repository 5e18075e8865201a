/**
 * `npm run fuzz`: valid and broken requests for every operation of the OpenAPI document. See `--help`.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Random } from '../chaos/random.ts';
import { temporaryFolder } from '../stage/temporary-folder.ts';
import { fuzz } from './run.ts';
import { startFuzzedService } from './service.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const REQUESTS_MIN = 3_000;

const USAGE = `npm run fuzz -- [options]

Starts the service on private servers and sends it valid and broken requests, made from its own OpenAPI document. Exit code 1 where an
answer is a 5xx, is not declared or breaks its schema, where a refused request had an effect, where a process ended, or where an
operation did not succeed 50 times.

  --requests N  how many (default 20000, at least ${REQUESTS_MIN})
  --seed N      decides every request (default: a new one)
  --help        this text
`;

const { values } = parseArgs({
  options: { requests: { type: 'string' }, seed: { type: 'string' }, help: { type: 'boolean' } },
});

const integer = (name: string, text: string | undefined, standard: number, min: number): number => {
  const value = text === undefined ? standard : Number(text);
  if (Number.isInteger(value) && value >= min && value < 2 ** 31) return value;
  process.stderr.write(`--${name} must be an integer of at least ${min}\n\n${USAGE}`);
  process.exit(2);
};

async function main(): Promise<number> {
  const requests = integer('requests', values.requests, 20_000, REQUESTS_MIN);
  const seed = integer('seed', values.seed, Date.now() % 2 ** 31, 0);
  const folder = temporaryFolder('fuzz');
  let interrupted: number | undefined;
  const interrupt = (code: number): void => {
    interrupted ??= code;
    void folder.close().then(() => process.exit(interrupted));
  };
  process.on('SIGINT', () => interrupt(130));
  process.on('SIGTERM', () => interrupt(143));
  const credentials = {
    operatorToken: randomBytes(16).toString('hex'),
    viewerToken: randomBytes(16).toString('hex'),
    accessTokenSecret: randomBytes(32).toString('hex'),
  };
  try {
    const began_ms = Date.now();
    const service = await startFuzzedService(folder.path, ROOT, credentials);
    try {
      const findings = await fuzz({
        service,
        credentials,
        random: new Random(seed),
        requests,
        progress: (what) => void (process.stdout.isTTY && process.stdout.write(`\r\u001b[K${what}`)),
      });
      const took_s = ((Date.now() - began_ms) / 1_000).toFixed(1);
      const lines = [
        findings.table(),
        '',
        `seed ${seed}: ${findings.requests} requests in ${took_s} s, ${findings.count} findings`,
        ...(findings.count === 0 ? [] : [findings.text()]),
      ];
      process.stdout.write(`${process.stdout.isTTY ? '\r\u001b[K' : ''}${lines.join('\n')}\n`);
      return findings.count === 0 ? 0 : 1;
    } finally {
      await service.close();
    }
  } catch (error) {
    if (interrupted === undefined) throw error;
    return interrupted;
  } finally {
    await folder.close();
  }
}

if (values.help === true) process.stdout.write(USAGE);
else process.exit(await main());
