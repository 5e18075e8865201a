import { accept, acceptJwt, acceptTwo } from './accept.ts';
import { bare } from './bare.ts';
import type { Scenario } from './scenario.ts';
import { journeys } from './journeys.ts';
import { room } from './room.ts';
import { soldOut } from './sold-out.ts';
import { tokens } from './tokens.ts';
import { usual } from './usual.ts';
import { working } from './working.ts';

/**
 * In the order in which a repetition runs them: the figure that counts most first, and `bare` right
 * before each one that is compared with it, since the speed of a shared machine changes within a
 * repetition.
 */
export const SCENARIOS: readonly Scenario[] = [
  journeys,
  bare,
  tokens,
  bare,
  room,
  bare,
  accept,
  acceptJwt,
  acceptTwo,
  bare,
  soldOut,
  bare,
  working,
  usual,
];
