import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that start whole processes, or wait for the death of one. */
const NAMES = [
  'main',
  'caddyfile',
  'cold-start',
  'crowd',
  'commands',
  'idle-cost',
  'image',
  'limited-servers',
  'scenarios',
  '[\\w-]*outages?',
  'split-pair',
  'tried-servers',
  'two-ledgers',
  'whole-service',
];
const LONG = new RegExp(`/end-to-end/|/(${NAMES.join('|')})\\.test\\.ts$`);

/** The share of the other files among which the long ones begin. During the rest, they end. */
const SPREAD = 0.8;

/**
 * Spreads the long files among the others, the longest first. A long file starts many processes, or
 * waits. Together, long files would slow each other down at times, and leave the cores idle at
 * others. Vitest knows durations from an earlier run only; in a clean checkout it sorts by size.
 */
export class SpreadLongFiles extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    // oxlint-disable-next-line unicorn/no-array-sort -- The sequencer's own method, not the one of arrays.
    const { long = [], short = [] } = Object.groupBy(await super.sort(files), ({ moduleId }) =>
      LONG.test(moduleId) ? 'long' : 'short',
    );
    const placeOf = (i: number): number => Math.round((i / long.length) * SPREAD * short.length);
    return [
      ...long.flatMap((file, i) => [file, ...short.slice(placeOf(i), placeOf(i + 1))]),
      ...short.slice(placeOf(long.length)),
    ];
  }
}
