import { expect, test } from 'vitest';
import { flameGraph } from '../../profile/flame-graph.ts';
import { selfTimes, type CpuProfile } from '../../profile/self-time.ts';

const frame = (functionName: string, url = '') => ({ functionName, url, lineNumber: 0 });
const profile: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 3, 5] },
    { id: 2, callFrame: frame('(idle)') },
    { id: 3, callFrame: frame('admit', 'file:///tree/packages/api/src/admit.ts'), children: [4] },
    { id: 4, callFrame: frame('hash <T>', 'node:crypto') },
    { id: 5, callFrame: frame('admit', 'file:///tree/packages/api/src/admit.ts') },
  ],
  samples: [2, 3, 4, 4, 5],
  timeDeltas: [900_000, 1_000, 2_000, 4_000, 3_000],
};

test('the own time of a function is the sum over all callers, and idle time does not count', () => {
  expect(selfTimes(profile, '/tree/')).toEqual([
    { name: 'hash <T> node:crypto:1', selfMs: 6, share: 0.6 },
    { name: 'admit packages/api/src/admit.ts:1', selfMs: 4, share: 0.4 },
  ]);
});

test('the flame graph puts callers above what they call, as wide as their time, and escapes names', () => {
  const graph = flameGraph(profile, 'api', '/tree/');
  expect(graph).toContain('admit packages/api/src/admit.ts:1, 100.0 %');
  expect(graph).toContain('hash &lt;T&gt; node:crypto:1, 60.0 %');
  expect(graph).not.toContain('(idle)');
});
