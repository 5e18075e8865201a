import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importsIn, roomsOf, specifiersIn, wrongImports } from '../../src/imports/import-rules.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PAGE = `Some text.

\`platform\` ← \`sale\` ← \`commands.ts\` ←
\`payment\`

- \`other\``;

it('the page declares every room of this repository, and no import goes against it', () => {
  const rooms = roomsOf(readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8'));
  expect(rooms).toEqual(expect.arrayContaining(['platform', 'commands.ts', 'server-checks']));
  const imports = importsIn(ROOT);
  expect(imports.length).toBeGreaterThan(1_000);
  expect(wrongImports(imports, rooms)).toEqual([]);
});

it('rooms are read from the page in their order, and no other word of it', () => {
  expect(roomsOf(PAGE)).toEqual(['platform', 'sale', 'commands.ts', 'payment']);
});

it('imports of every form are found', () => {
  // Indented here, so that they are no imports of this file.
  const lines = [
    "import './a.ts';",
    "import type { B } from './b.ts';",
    'import {',
    '  c,',
    "} from './c.ts';",
    "export * from './d.ts';",
    ['const e = await import(', "'./e.ts'", ');'].join(''),
  ];
  expect(specifiersIn(lines.join('\n'))).toEqual(['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts']);
});

describe('what is refused', () => {
  const rooms = roomsOf(PAGE);
  const shared = 'packages/shared/src';

  it.each([
    ['a room above its own', `${shared}/sale/sale.ts`, `${shared}/payment/payment.ts`],
    ['a feature in the platform', `${shared}/platform/errors.ts`, `${shared}/sale/sale.ts`],
    ['anything in a room that the page does not declare', `${shared}/other/other.ts`, `${shared}/platform/errors.ts`],
    ['a room that the page does not declare', `${shared}/sale/sale.ts`, `${shared}/other/other.ts`],
    ['the tests of another package', 'infra/test/a.test.ts', 'packages/shared/test/b.ts'],
    ['a test helper in the service', 'packages/api/src/app.ts', 'packages/shared/testing/support.ts'],
  ])('%s', (_, from, to) => {
    expect(wrongImports([{ from, to }], rooms)).toHaveLength(1);
  });

  it.each([
    [`${shared}/payment/payment.ts`, `${shared}/sale/sale.ts`],
    [`${shared}/payment/payment.ts`, `${shared}/payment/provider.ts`],
    ['packages/api/test/a.test.ts', 'packages/shared/testing/support.ts'],
    ['packages/api/test/a.test.ts', 'packages/api/test/b.ts'],
  ])('but not what %s imports of %s', (from, to) => {
    expect(wrongImports([{ from, to }], rooms)).toEqual([]);
  });
});
