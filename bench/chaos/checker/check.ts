import {
  acceptedIsDurable,
  comesBack,
  conservation,
  everyAcceptedEnds,
  fenced,
  noLeak,
  noOversell,
  oneLiveOrder,
  onlyWhileOpen,
  refusedHasNoEffect,
  retryIsOneEffect,
  type Check,
} from './promises.ts';
import { contractIsKept } from './contract.ts';
import { moneyIsKept } from './money.ts';
import { roomsAreFair } from './rooms.ts';
import type { RoundRecord, Violation } from './record.ts';
import { viewsOf } from './view.ts';

const CHECKS: readonly (readonly [Violation['promise'], Check])[] = [
  [1, noOversell],
  [2, conservation],
  [3, noLeak],
  [4, oneLiveOrder],
  [5, everyAcceptedEnds],
  [6, acceptedIsDurable],
  [7, refusedHasNoEffect],
  [8, retryIsOneEffect],
  [9, fenced],
  [10, onlyWhileOpen],
  [11, comesBack],
  ['contract', contractIsKept],
  ['money', moneyIsKept],
  ['waiting room', roomsAreFair],
];

export interface Findings {
  readonly violations: readonly Violation[];
  /**
   * Order numbers that Redis lost with its own data: promises 5 and 6 do not cover them, so they
   * are counted separately.
   */
  readonly allowedLosses: number;
}

/**
 * Checks the eleven promises, the contract and the money in the record of a round, which was
 * observed from outside. Pure: the same record gives the same findings.
 */
export function check(record: RoundRecord): Findings {
  const views = viewsOf(record);
  const violations = CHECKS.flatMap(([promise, evidenceOf]) =>
    [...evidenceOf(record, views)].map((evidence) => ({ promise, evidence })),
  );
  return { violations, allowedLosses: views.reduce((sum, { allowedLosses }) => sum + allowedLosses.size, 0) };
}
