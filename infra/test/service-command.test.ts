import { describe, expect, it } from 'vitest';
import { runProgram } from '@flash-sale/shared/testing/program.ts';

describe('any program on the settings of the running service', () => {
  it('says in one line that a file of a setting cannot be read', async () => {
    const command = ['infra/src/service-command.ts', 'infra/src/ops/main.ts', 'sales'];
    const { complained, code } = await runProgram(command, { ADMIN_TOKEN_FILE: '/nowhere/token' });
    expect(complained).toMatch(/^The configuration is not valid: ADMIN_TOKEN_FILE .*cannot be read: ENOENT\..*\n$/);
    expect(code).toBe(2);
  });
});
