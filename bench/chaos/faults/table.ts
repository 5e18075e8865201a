import { asleepFaults } from './asleep.ts';
import { clockEdges } from './clock-edges.ts';
import { dataFaults } from './data.ts';
import type { Fault } from './fault.ts';
import { networkFaults } from './network.ts';
import { processFaults } from './processes.ts';

/** Every fault of the run. */
export const FAULTS: readonly Fault[] = [
  ...processFaults,
  ...networkFaults,
  ...dataFaults,
  ...asleepFaults,
  clockEdges,
];

export function faultOf(name: string): Fault {
  const fault = FAULTS.find((known) => known.name === name);
  if (fault === undefined) throw new Error(`there is no fault ${name}; --list names them all`);
  return fault;
}
