import { isIdle, labelOf, timeOfNodes, type CpuProfile, type ProfileNode } from './self-time.ts';

const WIDTH = 1_400;
const ROW = 17;
const TOP = 34;
const CHAR_WIDTH = 6.6;
/** Narrower calls would not be visible. */
const WIDTH_MIN = 0.6;

/** A call with all calls below it. Equal callees of one caller are merged. */
interface Frame {
  readonly label: string;
  totalUs: number;
  readonly below: Map<string, Frame>;
}

/**
 * A flame graph as a standalone SVG: width is time, callers are above their callees (Brendan Gregg,
 * "The Flame Graph", 2016). Hovering shows the name and the share. Idle time is left out.
 */
export function flameGraph(profile: CpuProfile, title: string, tree: string): string {
  const root = framesOf(profile, tree);
  const rects: string[] = [];
  let depthMax = 0;
  const draw = (frame: Frame, x: number, depth: number): void => {
    const width = (frame.totalUs / root.totalUs) * WIDTH;
    if (width < WIDTH_MIN) return;
    depthMax = Math.max(depthMax, depth);
    rects.push(rectangle(frame, x, TOP + depth * ROW, width, frame.totalUs / root.totalUs));
    let next = x;
    const widestFirst = [...frame.below.values()].toSorted((a, b) => b.totalUs - a.totalUs);
    for (const child of widestFirst) {
      draw(child, next, depth + 1);
      next += (child.totalUs / root.totalUs) * WIDTH;
    }
  };
  draw(root, 0, 0);
  const height = TOP + (depthMax + 2) * ROW;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="ui-monospace, monospace" font-size="11">
<rect width="100%" height="100%" fill="#fff"/>
<text x="8" y="21" font-size="15" font-family="system-ui, sans-serif">${escaped(title)}</text>
${rects.join('\n')}
</svg>
`;
}

function framesOf(profile: CpuProfile, tree: string): Frame {
  const times = timeOfNodes(profile);
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const add = (into: Frame, node: ProfileNode): number => {
    if (isIdle(node) && node.callFrame.functionName !== '(root)') return 0;
    const label = labelOf(node, tree);
    const frame = into.below.get(label) ?? { label, totalUs: 0, below: new Map() };
    let totalUs = times.get(node.id) ?? 0;
    for (const child of node.children ?? []) totalUs += add(frame, byId.get(child)!);
    frame.totalUs += totalUs;
    into.below.set(label, frame);
    return totalUs;
  };
  const all: Frame = { label: '', totalUs: 0, below: new Map() };
  add(all, profile.nodes[0]!);
  return all.below.values().next().value!;
}

function rectangle({ label }: Frame, x: number, y: number, width: number, share: number): string {
  const fits = Math.floor((width - 4) / CHAR_WIDTH);
  const text = fits < 3 ? '' : label.length <= fits ? label : `${label.slice(0, fits - 1)}…`;
  const tip = `${label}, ${(share * 100).toFixed(1)} %`;
  const shape = `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${ROW - 1}" fill="${colourOf(label)}"/>`;
  const words = text === '' ? '' : `<text x="${(x + 3).toFixed(1)}" y="${y + 12}">${escaped(text)}</text>`;
  return `<g><title>${escaped(tip)}</title>${shape}${words}</g>`;
}

/** Different colours for our code, packages, Node and V8. */
function colourOf(label: string): string {
  if (/ packages\//.test(label)) return '#93c5fd';
  if (/ node:/.test(label)) return '#fde68a';
  return label.includes(' ') ? '#fdba74' : '#e2e8f0';
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
