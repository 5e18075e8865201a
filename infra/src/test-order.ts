import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that start whole processes, or wait for the death of one. */
const LONG = /\/end-to-end\/|\/(main|cold-start|[\w-]*outages?|split-pair|tried-servers)\.test\.ts$/;

/**
 * Begins with the files that take longest, so that none is left when the others have ended. Vitest
 * knows durations from an earlier run only; in a clean checkout it sorts by size.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- The sequencer's own method, not the one of arrays.
    const { long = [], short = [] } = Object.groupBy(await super.sort(files), ({ moduleId }) =>
      LONG.test(moduleId) ? 'long' : 'short',
    );
    return [...long, ...short];
  }
}
