import { expect, test } from 'vitest';
import { lint } from './lint.ts';

/** The names that the rule reports in this source. */
function namesIn(source: string, options: { readonly membersAreWire?: boolean } = {}): string[] {
  const report = lint(source, 'camel-case', options);
  return [...report.matchAll(/Write (\S+) in camelCase/g)].map(([, name]) => name!);
}

test.each([
  ['a variable', 'const order_no = 1;', ['order_no']],
  ['a variable with a unit', 'const retryAfter_ms = 1;', ['retryAfter_ms']],
  [
    'a function and its parameters',
    'function pay_it(order_no: string, { user_id }: object) {}',
    ['pay_it', 'order_no', 'user_id'],
  ],
  ['a default and a rest', 'const f = ([a_b = 1, ...c_d]: number[]) => 0;', ['a_b', 'c_d']],
  ['a class member', 'class A { #now_ms = 1; get end_ms() { return 1; } }', ['now_ms', 'end_ms']],
  ['a member of a type', 'interface Order { order_no: string; pay(user_id: string): void }', ['order_no', 'user_id']],
  ['a member of a result', 'function f(): Promise<{ order_no: string }> { return g(); }', ['order_no']],
  ['a member of a tuple', 'type Time = [now_ms: number];', ['now_ms']],
  ['an import under a name of its own', "import { a as b_c } from 'd';", ['b_c']],
])('the rule reports %s in snake_case', (_, source, names) => {
  expect(namesIn(source)).toEqual(names);
});

test.each([
  ['a constant', 'const ORDER_NO = 1;'],
  ['a key of an object', 'send({ order_no: orderNo });'],
  ['a key that is read', 'const { order_no: orderNo } = body; use(body.order_no);'],
  ['the type of an answer', 'const { order_no: orderNo } = answer.json<{ order_no: string }>();'],
  ['the type of a row', 'const rows = await sql<{ order_no: string }>`SELECT order_no FROM orders`;'],
  ['an assertion', 'const body = JSON.parse(text) as { order_no: string };'],
  ['a type that is named as wire', 'interface OrderJson { order_no: string } type SaleRow = { price_cents: number };'],
])('the rule allows %s in snake_case', (_, source) => {
  expect(namesIn(source)).toEqual([]);
});

test('members of types may be wire by file, but not variables', () => {
  const source = 'interface Order { order_no: string } const user_id = 1;';
  expect(namesIn(source, { membersAreWire: true })).toEqual(['user_id']);
});
