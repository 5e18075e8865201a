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
 * In the order in which a repetition runs them: the figure that counts most first, and `bare` next
 * to what is compared with it.
 */
export const SCENARIOS: readonly Scenario[] = [
  journeys,
  bare,
  tokens,
  room,
  accept,
  acceptJwt,
  acceptTwo,
  soldOut,
  working,
  usual,
];
