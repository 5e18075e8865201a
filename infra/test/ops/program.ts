import { expect } from 'vitest';
import { runOps } from '../../src/ops/run.ts';
import { OPERATOR_TOKEN } from '@flash-sale/api/testing/support.ts';
import type { Service } from '@flash-sale/api/testing/service.ts';
import { runProgram, type Ran } from '@flash-sale/shared/testing/program.ts';

type Run = (service: Service, args: string, env?: Readonly<Record<string, string>>) => Promise<Ran>;

const wordsOf = (args: string): string[] => args.split(' ').filter((arg) => arg !== '');

const envOf = (service: Service, env: Readonly<Record<string, string>> = { ADMIN_TOKEN: OPERATOR_TOKEN }) => ({
  SERVER_HOST: '127.0.0.1',
  SERVER_PORT: service.url.port,
  ...env,
});

/** Runs a command in this process: to start one for each takes 0.3 s of CPU. */
export const ops: Run = async (service, args, env) => {
  let [output, complained] = ['', ''];
  const code = await runOps(wordsOf(args), envOf(service, env), {
    print: (line) => void (output += `${line}\n`),
    complain: (line) => void (complained += `${line}\n`),
  });
  return { said: output, complained, code };
};

/** Runs a command as an operator does. */
export const opsProcess: Run = (service, args, env) =>
  runProgram(['infra/src/ops/main.ts', ...wordsOf(args)], envOf(service, env));

/** The output of a command that succeeds. */
export async function said(service: Service, args: string): Promise<string> {
  const answer = await ops(service, args);
  expect(answer).toEqual({ said: answer.said, complained: '', code: 0 });
  return answer.said;
}

/** The same with `--json`. */
export const jsonOf = async (service: Service, args: string): Promise<Record<string, unknown>> =>
  JSON.parse(await said(service, `${args} --json`)) as Record<string, unknown>;
