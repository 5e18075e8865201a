import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

describe('any program on the settings of the running service', () => {
  it('says in one line that a file of a setting cannot be read', async () => {
    const program = fileURLToPath(new URL('../src/service-command.ts', import.meta.url));
    const child = spawn(process.execPath, [program, 'infra/src/ops/main.ts', 'sales'], {
      env: { PATH: process.env['PATH'], ADMIN_TOKEN_FILE: '/nowhere/token' },
    });
    const ended = once(child, 'exit') as Promise<[number]>;
    const [complained, [code]] = await Promise.all([text(child.stderr), ended]);
    expect(complained).toMatch(/^The configuration is not valid: ADMIN_TOKEN_FILE .*cannot be read: ENOENT\..*\n$/);
    expect(code).toBe(2);
  });
});
