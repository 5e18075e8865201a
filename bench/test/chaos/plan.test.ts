import { expect, test } from 'vitest';
import { FAULTS } from '../../chaos/faults/table.ts';
import { planRounds } from '../../chaos/plan.ts';
import { Random } from '../../chaos/random.ts';

const planned = (seed: number, rounds: number) =>
  planRounds(new Random(seed), FAULTS, rounds).map((round) => round.map(({ name }) => name));

test('twenty rounds cause every fault, with any seed', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    const plan = planned(seed, 20);
    expect(plan).toHaveLength(20);
    expect(new Set(plan.flat())).toEqual(new Set(FAULTS.map(({ name }) => name)));
  }
});

test('no round has two long faults or a companion to one that fills it, and one that outlasts the load comes last', () => {
  for (let seed = 0; seed < 50; seed += 1) {
    for (const round of planRounds(new Random(seed), FAULTS, 20)) {
      expect(round.length).toBeGreaterThan(0);
      expect(round.filter(({ isLong }) => isLong === true).length).toBeLessThanOrEqual(1);
      expect(round.length === 2 && round.some(({ fillsRound }) => fillsRound === true)).toBe(false);
      expect(round.slice(0, -1).some(({ outlastsLoad }) => outlastsLoad === true)).toBe(false);
    }
  }
});

test('a seed decides the plan, and another seed decides another', () => {
  expect(planned(1, 20)).toEqual(planned(1, 20));
  expect(planned(1, 20)).not.toEqual(planned(2, 20));
});

test('the parts of a generator do not depend on each other', () => {
  const [one, two] = [new Random(7), new Random(7)];
  one.next();
  expect(one.part('crowd').next()).toBe(two.part('crowd').next());
  expect(one.part('crowd').next()).not.toBe(one.part('polls').next());
});
