import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { text } from 'node:stream/consumers';
import { expect } from 'vitest';
import { COMPILE_CACHE } from '../../src/test-context.ts';
import { OPERATOR_TOKEN } from '@flash-sale/api/testing/support.ts';
import type { Service } from '@flash-sale/api/testing/service.ts';

const PROGRAM = fileURLToPath(new URL('../../src/ops/main.ts', import.meta.url));

/** Runs a command as an operator does. */
export async function ops(
  service: Service,
  args: string,
  env: Readonly<Record<string, string>> = { ADMIN_TOKEN: OPERATOR_TOKEN },
): Promise<{ said: string; complained: string; code: number }> {
  const child = spawn(process.execPath, [PROGRAM, ...args.split(' ').filter((arg) => arg !== '')], {
    env: {
      ...COMPILE_CACHE,
      PATH: process.env['PATH'],
      SERVER_HOST: '127.0.0.1',
      SERVER_PORT: service.url.port,
      ...env,
    },
  });
  const ended = once(child, 'exit') as Promise<[number]>;
  const [output, complained, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { said: output, complained, code };
}

/** The output of a command that succeeds. */
export async function said(service: Service, args: string): Promise<string> {
  const answer = await ops(service, args);
  expect(answer).toEqual({ said: answer.said, complained: '', code: 0 });
  return answer.said;
}

/** The same with `--json`. */
export const jsonOf = async (service: Service, args: string): Promise<Record<string, unknown>> =>
  JSON.parse(await said(service, `${args} --json`)) as Record<string, unknown>;
