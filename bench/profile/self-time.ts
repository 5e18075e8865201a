/** A profile as V8 writes it: a tree of calls, and the node of each sample. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** µs from one sample to the next. */
  readonly timeDeltas: readonly number[];
}

export interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

const MS_US = 1_000;
/** Nodes that are no work: the process waits. */
const IDLE: ReadonlySet<string> = new Set(['(idle)', '(root)']);

/** Time spent in each node itself, µs, by node id. */
export function timeOfNodes({ samples, timeDeltas }: CpuProfile): Map<number, number> {
  const times = new Map<number, number>();
  for (const [i, id] of samples.entries()) times.set(id, (times.get(id) ?? 0) + Math.max(0, timeDeltas[i] ?? 0));
  return times;
}

export const isIdle = ({ callFrame }: ProfileNode): boolean => IDLE.has(callFrame.functionName);

/** `name file:line`, without the paths of the tree and of packages. */
export function labelOf({ callFrame }: ProfileNode, tree: string): string {
  const { functionName, url, lineNumber } = callFrame;
  const name = functionName === '' ? '(anonymous)' : functionName;
  if (url === '') return name;
  const path = url
    .replace('file://', '')
    .replace(tree, '')
    .replace(/^.*node_modules\//, '');
  return `${name} ${path}:${lineNumber + 1}`;
}

/** Functions by their own time, longest first. Shares are of the process's busy time. */
export function selfTimes(profile: CpuProfile, tree: string): { name: string; selfMs: number; share: number }[] {
  const times = timeOfNodes(profile);
  const sums = new Map<string, number>();
  let busyUs = 0;
  for (const node of profile.nodes) {
    const timeUs = times.get(node.id) ?? 0;
    if (isIdle(node) || timeUs === 0) continue;
    busyUs += timeUs;
    const label = labelOf(node, tree);
    sums.set(label, (sums.get(label) ?? 0) + timeUs);
  }
  return [...sums]
    .map(([name, selfUs]) => ({ name, selfMs: selfUs / MS_US, share: selfUs / busyUs }))
    .toSorted((a, b) => b.selfMs - a.selfMs);
}
