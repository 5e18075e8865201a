import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ORDER_TRANSITIONS } from '../../src/order/order.ts';
import { PAYMENT_TRANSITIONS } from '../../src/payment/payment.ts';

const PAGE = readFileSync(new URL('../../../../docs/state-machine.md', import.meta.url), 'utf8');

interface Diagram {
  readonly begins: string[];
  readonly ends: string[];
  readonly moves: Record<string, string[]>;
}

/** The diagram under a heading of the page. */
function diagramOf(heading: string): Diagram {
  const section = PAGE.split(/^## /m).find((text) => text.startsWith(`${heading}\n`));
  const source = /```mermaid\nstateDiagram-v2\n(.*?)```/s.exec(section ?? '')?.[1];
  if (source === undefined) throw new Error(`docs/state-machine.md has no diagram under ${heading}`);
  const diagram: Diagram = { begins: [], ends: [], moves: {} };
  for (const line of source.trim().split('\n')) {
    const move = /^\s*(\S+) --> (\S+)(?: : .+)?$/.exec(line);
    if (move === null) throw new Error(`not a move: ${line}`);
    const [, from, to] = move as unknown as [string, string, string];
    if (from === '[*]') diagram.begins.push(to);
    else if (to === '[*]') diagram.ends.push(from);
    else (diagram.moves[from] ??= []).push(to);
  }
  return diagram;
}

test.each([
  ['Order', ORDER_TRANSITIONS, 'queued'],
  ['Payment', PAYMENT_TRANSITIONS, 'started'],
])('the diagram under %s shows exactly the moves of its map', (heading, transitions, first) => {
  const { begins, ends, moves } = diagramOf(heading);
  const entries = Object.entries(transitions);
  expect(moves).toEqual(
    Object.fromEntries(entries.filter(([, to]) => to.length > 0).map(([from, to]) => [from, [...to]])),
  );
  expect(ends.toSorted()).toEqual(entries.flatMap(([from, to]) => (to.length === 0 ? [from] : [])).toSorted());
  expect(begins).toEqual([first]);
});
