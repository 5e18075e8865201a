import { describe, expect, test } from 'vitest';
import { bounded } from '../../src/live/bounded.ts';

const isAway = (error: unknown): boolean => (error as Error).message === 'away';

describe('a question to a server that may hang', () => {
  test('is asked once while it is open, and answered late as unknown', async () => {
    const answers: ((answer: string) => void)[] = [];
    const ask = bounded(() => new Promise<string>((resolve) => void answers.push(resolve)), { limitMs: 20, isAway });
    expect(await Promise.all([ask(), ask()])).toEqual([undefined, undefined]);
    expect(answers).toHaveLength(1);
    const third = ask();
    answers[0]!('at last');
    expect(await third).toBe('at last');
    void ask();
    expect(answers).toHaveLength(2);
  });

  test('is unknown if the server is away; any other error is an error', async () => {
    const failing = (message: string) => bounded(() => Promise.reject(new Error(message)), { limitMs: 1_000, isAway });
    expect(await failing('away')()).toBeUndefined();
    await expect(failing('a bug')()).rejects.toThrow('a bug');
  });
});
