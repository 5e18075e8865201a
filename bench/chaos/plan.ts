import type { Fault } from './faults/fault.ts';
import type { Random } from './random.ts';

/**
 * Assigns faults to rounds. Every fault occurs once before any occurs twice, if there are enough
 * rounds. A round has one fault, or two, of which at most one is long and neither needs its own
 * round. A fault that outlasts the load comes last.
 */
export function planRounds(random: Random, faults: readonly Fault[], rounds: number): Fault[][] {
  const plan: Fault[][] = Array.from({ length: rounds }, () => []);
  const isLong = ({ isLong: long }: Fault): boolean => long === true;
  const isRoomFor = (fault: Fault, round: readonly Fault[]): boolean => {
    const both = [...round, fault];
    return both.length === 2 && both.filter(isLong).length < 2 && !both.some(({ fillsRound }) => fillsRound === true);
  };
  // Long faults first: each needs its own round, and short ones are added to these.
  const deck = [
    ...random.shuffled(faults.filter(isLong)),
    ...random.shuffled(faults.filter((fault) => !isLong(fault))),
  ];
  const drawn =
    faults.length > 2 * rounds ? random.shuffled(deck).toSorted((a, b) => Number(isLong(b)) - Number(isLong(a))) : deck;
  for (const fault of drawn) {
    const room = plan.find((round) => round.length === 0) ?? plan.find((round) => isRoomFor(fault, round));
    room?.push(fault);
  }
  for (const round of plan) if (round.length === 0) round.push(random.pick(faults));
  return random.shuffled(
    plan.map((round) =>
      random.shuffled(round).toSorted((a, b) => Number(a.outlastsLoad ?? false) - Number(b.outlastsLoad ?? false)),
    ),
  );
}
