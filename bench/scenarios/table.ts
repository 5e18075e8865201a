import { accept, acceptJwt, acceptTwo } from './accept.ts';
import { bare } from './bare.ts';
import type { Scenario } from './scenario.ts';
import { soldOut } from './sold-out.ts';
import { usual } from './usual.ts';
import { working } from './working.ts';

/** In the order in which a repetition runs them: `bare` next to what is compared with it. */
export const SCENARIOS: readonly Scenario[] = [bare, accept, acceptJwt, acceptTwo, soldOut, working, usual];
