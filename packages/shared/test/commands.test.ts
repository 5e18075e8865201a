import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import { createCommands } from '../src/commands.ts';
import type { RedisClient } from '../src/platform/redis/client.ts';
import { Keys } from '../src/platform/redis/keys.ts';
import { luaFiles } from './lua-files.ts';

const scripts = async (): Promise<string[]> => (await luaFiles()).filter((file) => basename(file) !== 'prelude.lua');

test('every Lua file is a command', async () => {
  const defined: string[] = [];
  const redis = { defineCommand: (name: string) => defined.push(name) } as unknown as RedisClient;
  createCommands(redis, new Keys('prefix:'));
  const files = (await scripts()).map((file) => basename(file, '.lua'));
  expect(files.toSorted()).toEqual(defined.toSorted());
});

test('a script names its keys and arguments in its first lines, and uses the names', async () => {
  const faults: string[] = [];
  for (const file of await scripts()) {
    const lines = (await readFile(file, 'utf8')).split('\n');
    const start = lines.findIndex((line) => !line.startsWith('--'));
    const end = lines.findIndex((line, i) => i >= start && !line.startsWith('local '));
    const late = lines.slice(end).filter((line) => /(KEYS|ARGV)\[\d+\]/.test(line));
    faults.push(...late.map((line) => `${basename(file)}: ${line.trim()}`));
  }
  expect(faults).toEqual([]);
});
