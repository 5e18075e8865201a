import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startRedis } from '@flash-sale/infra/services/redis.ts';
import { incrementalFile, truncateAof } from '../../chaos/aof.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'flash-sale-aof-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('the file that Redis appends to is the last incremental one', () => {
  const manifest = [
    'file appendonly.aof.2.base.rdb seq 2 type b',
    'file appendonly.aof.1.incr.aof seq 1 type h',
    'file appendonly.aof.2.incr.aof seq 2 type i',
    'file appendonly.aof.3.incr.aof seq 3 type i',
  ];
  expect(incrementalFile(manifest.join('\n'))).toBe('appendonly.aof.3.incr.aof');
  expect(() => incrementalFile(manifest[0]!)).toThrow('no incremental file');
});

test('at least one byte is cut, and never more than there is', () => {
  writeFileSync(join(folder, 'appendonly.aof.manifest'), 'file appendonly.aof.1.incr.aof seq 1 type i\n');
  const path = join(folder, 'appendonly.aof.1.incr.aof');
  writeFileSync(path, 'x'.repeat(100));
  expect(truncateAof(folder, 0)).toBe(1);
  expect(truncateAof(folder, 0.5)).toBe(50);
  expect(truncateAof(folder, 1)).toBe(49);
  expect(statSync(path).size).toBe(0);
});

test('a Redis with a truncated log comes back with the older part of its data', async () => {
  const started = await startRedis({ dataDir: folder, password: 'aof' });
  const options = { port: started.port, password: 'aof', lazyConnect: true };
  const before = new Redis(options);
  for (let i = 0; i < 100; i += 1) await before.rpush('list', i);
  before.disconnect();
  started.kill('SIGKILL');
  await started.exited;

  truncateAof(join(folder, 'redis', 'appendonlydir'), 0.5);

  const back = await startRedis({ dataDir: folder, password: 'aof', port: started.port });
  const after = new Redis(options);
  try {
    const left = await after.lrange('list', 0, -1);
    expect(left.length).toBeGreaterThan(20);
    expect(left.length).toBeLessThan(80);
    expect(left).toEqual(left.map((_, i) => String(i)));
  } finally {
    after.disconnect();
    await back.stop();
  }
});
