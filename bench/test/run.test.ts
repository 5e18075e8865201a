import { expect, test } from 'vitest';
import { addRun } from '../run.ts';

test('a scenario that runs several times in a repetition counts as the mean of its runs', () => {
  const figures = { 'accept.per_second': 7 };
  for (const [earlier, perSecond] of [10, 20, 60].entries()) addRun(figures, { 'bare.per_second': perSecond }, earlier);
  expect(figures).toEqual({ 'accept.per_second': 7, 'bare.per_second': 30 });
});
