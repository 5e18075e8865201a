import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importsIn } from '../../src/imports/import-rules.ts';
import { combinationsOf, environmentFor } from '../../src/matrix/combination.ts';
import { importersOf, serverTestsIn } from '../../src/matrix/server-tests.ts';
import { argumentsOf, isQuickTest, outcomeOf, STEPS, stepsOf, testOutcome } from '../../src/matrix/steps.ts';
import { temporaryFolder } from '../temporary-folder.ts';

const ROOT = join(import.meta.dirname, '../../..');

describe('the tests that use servers', () => {
  const tests = serverTestsIn(ROOT, importsIn(ROOT));

  test('are found, however they reach the servers', () => {
    expect(tests).toEqual(
      expect.arrayContaining([
        // By a context, by the servers of the run, by a private server, by the whole service.
        'packages/shared/test/order/orders-table.test.ts',
        'packages/shared/test/testing/mysql-wire.test.ts',
        'packages/api/test/end-to-end/failover.test.ts',
        'infra/test/stack/whole-service.test.ts',
      ]),
    );
    expect(tests.some(isQuickTest)).toBe(true);
  });

  test('are not those that need none', () => {
    expect(tests).not.toContain('packages/shared/test/order/order-number.test.ts');
    expect(tests).not.toContain('infra/test/imports/import-rules.test.ts');
  });

  test('are followed through any number of imports, and through cycles', () => {
    const imports = [
      { from: 'b', to: 'a' },
      { from: 'c', to: 'b' },
      { from: 'b', to: 'c' },
      { from: 'c', to: 'd' },
    ];
    expect([...importersOf(['a'], imports)]).toEqual(['a', 'b', 'c']);
  });
});

describe('a combination of servers', () => {
  test('is the machine, the given servers, or downloads', () => {
    expect(combinationsOf('mysql+redis8, machine,given')).toEqual([
      { name: 'mysql+redis8', downloads: ['mysql', 'redis8'], isGiven: false },
      { name: 'machine', downloads: [], isGiven: false },
      { name: 'given', downloads: [], isGiven: true },
    ]);
    for (const unknown of ['oracle', 'mysql+', 'mysql+machine', 'toString']) {
      expect(() => combinationsOf(unknown)).toThrow('There are no servers');
    }
  });

  test('runs on no server of the environment unless it is asked to', () => {
    const env = { DB_HOST: 'shop', REDIS_URL: 'redis://shop', HOME: '/root', PATH: '/old' };
    const [own, given] = combinationsOf('machine,given');
    expect(environmentFor(own!, env, '/new')).toEqual({ HOME: '/root', PATH: '/new' });
    expect(environmentFor(given!, env, '/new')).toEqual({ ...env, PATH: '/new' });
  });
});

describe('a step', () => {
  test.each(STEPS)('%s runs a program that exists', (step) => {
    const [program] = argumentsOf(step, { tests: [], isQuick: false, folder: '/tmp' });
    expect(existsSync(join(ROOT, program!))).toBe(true);
  });

  test('is refused if it is unknown', () => {
    expect(stepsOf('tests,drill')).toEqual(['tests', 'drill']);
    expect(() => stepsOf('tests,')).toThrow('There is no step');
  });

  test('has failed if its program ends with another code than 0', () => {
    expect(outcomeOf('chaos', 0, '/nowhere')).toMatchObject({ isGood: true, text: 'ok' });
    expect(outcomeOf('drill', null, '/nowhere')).toMatchObject({ isGood: false });
  });
});

describe('the outcome of the tests', () => {
  const passed = { name: 'a.test.ts', status: 'passed', assertionResults: [{ status: 'passed', fullName: 'one' }] };
  const report = { numPassedTests: 1, numPendingTests: 0, testResults: [passed] };

  test('is good only if all passed and the run says so', () => {
    expect(testOutcome(report, 0)).toEqual({ isGood: true, text: '1 passed', failures: [] });
    expect(testOutcome(report, 1)).toEqual({ isGood: false, text: '1 passed, exit code 1', failures: [] });
  });

  test('names each failed test, and a file that could not be loaded', () => {
    const failed = { name: 'b.test.ts', status: 'failed', assertionResults: [{ status: 'failed', fullName: 'two' }] };
    const unloaded = { name: 'c.test.ts', status: 'failed', assertionResults: [] };
    const outcome = testOutcome({ ...report, numPendingTests: 3, testResults: [passed, failed, unloaded] }, 1);
    expect(outcome).toEqual({
      isGood: false,
      text: '1 passed, 2 failed, 3 skipped',
      failures: ['b.test.ts: two', 'c.test.ts: the file itself'],
    });
  });

  test('is bad without a report', () => {
    expect(outcomeOf('tests', 0, temporaryFolder())).toMatchObject({ isGood: false });
  });
});
