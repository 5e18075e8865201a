import { describe, expect, test } from 'vitest';
import type { Answer, Call } from '../../fuzz/call.ts';
import { broken } from '../../fuzz/breakage.ts';
import { problemsOfAnswer } from '../../fuzz/check.ts';
import { operationsOf } from '../../fuzz/document.ts';
import { Findings } from '../../fuzz/findings.ts';
import { differences } from '../../fuzz/state.ts';
import { validValue } from '../../fuzz/values.ts';
import { Random } from '../../chaos/random.ts';

const Body = {
  type: 'object',
  required: ['product_id'],
  additionalProperties: false,
  properties: {
    product_id: { type: 'integer', minimum: 1, maximum: 100 },
    user_id: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$', maxLength: 255 },
  },
};
const problemOf = (...codes: string[]) => ({
  content: {
    'application/problem+json': {
      schema: { type: 'object', required: ['code'], properties: { code: { enum: codes } } },
    },
  },
});

const [buy, read] = operationsOf({
  paths: {
    '/buy': {
      post: {
        security: [{}, { accessToken: [] }],
        requestBody: { content: { 'application/json': { schema: Body } } },
        responses: {
          202: {
            content: {
              'application/json': {
                schema: { type: 'object', required: ['order_no'], properties: { order_no: { type: 'string' } } },
              },
            },
          },
          400: problemOf('invalid_request'),
          429: problemOf('rate_limited'),
          500: problemOf('internal'),
        },
      },
    },
    '/orders/{id}': {
      get: {
        parameters: [
          { name: 'id', in: 'path', required: true, schema: { type: 'integer', minimum: 1, maximum: 9_000_000_000 } },
        ],
        responses: { 200: {} },
      },
    },
  },
}) as [ReturnType<typeof operationsOf>[0], ReturnType<typeof operationsOf>[0]];

const HEADERS = { 'x-request-id': 'r-1', 'x-content-type-options': 'nosniff' };
const answerOf = (status: number, body: unknown, headers: Answer['headers'] = {}): Answer => ({
  status,
  headers: {
    ...HEADERS,
    'content-type': status < 400 ? 'application/json; charset=utf-8' : 'application/problem+json',
    ...headers,
  },
  text: typeof body === 'string' ? body : JSON.stringify(body),
});
const problem = (status: number, code: string, headers: Answer['headers'] = {}) => answerOf(status, { code }, headers);

describe('an answer', () => {
  test('that fits the document is no finding', () => {
    expect(problemsOfAnswer(buy, answerOf(202, { order_no: '1' }), 'success')).toEqual([]);
    expect(problemsOfAnswer(buy, problem(400, 'invalid_request'), 'refusal')).toEqual([]);
    expect(problemsOfAnswer(buy, problem(429, 'rate_limited', { 'retry-after': '1' }), 'any')).toEqual([]);
    expect(problemsOfAnswer(buy, problem(405, 'method_not_allowed'), 'wrong method')).toEqual([]);
  });

  test.each([
    ['a 5xx, declared or not', problem(500, 'internal'), 'any', /answered 500/],
    ['an undeclared status', answerOf(200, { order_no: '1' }), 'success', /answered 200, which is not declared/],
    ['a body that breaks its schema', answerOf(202, { order_no: 1 }), 'success', /order_no must be string/],
    ['a code that is not declared', problem(400, 'sold_out'), 'refusal', /\/code/],
    ['a body that is not JSON', answerOf(202, '<html>'), 'success', /not JSON/],
    ['another media type', answerOf(202, {}, { 'content-type': 'text/html' }), 'success', /text\/html.*not declared/],
    ['success where the document forbids', answerOf(202, { order_no: '1' }), 'refusal', /document forbids/],
    ['success of a method that there is not', answerOf(202, { order_no: '1' }), 'wrong method', /does not have/],
    ['a 429 that names no time', problem(429, 'rate_limited'), 'any', /come back/],
    ['the name of a server', problem(400, 'invalid_request', { server: 'nginx' }), 'any', /runs on: server/],
    ['no request id', problem(400, 'invalid_request', { 'x-request-id': undefined }), 'any', /x-request-id/],
    [
      'no safe headers',
      problem(400, 'invalid_request', { 'x-content-type-options': undefined }),
      'any',
      /safe headers/,
    ],
    [
      'a statement of the database',
      answerOf(400, { code: 'invalid_request', detail: 'near SELECT * FROM' }),
      'any',
      /tells of its inside/,
    ],
  ] as const)('with %s is a finding', (_what, answer, expected, finding) => {
    expect(problemsOfAnswer(buy, answer, expected).join('\n')).toMatch(finding);
  });
});

describe('a broken request', () => {
  const call: Call = {
    operation: buy,
    params: {},
    query: {},
    headers: { authorization: 'Bearer x' },
    body: { product_id: 1, user_id: 'alice' },
  };
  const known = { methods: new Set(['POST']), wrongCredentials: () => ['Bearer wrong'] };
  const some = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 500 }, () => broken(call, random, known));
  };

  test('must be refused only if the document forbids it', () => {
    for (const { what, call: made, expected } of some(1)) {
      if (made.raw !== undefined || made.headers['content-type'] !== undefined) continue;
      if (made.headers['authorization'] !== 'Bearer x' || expected === 'wrong method') continue;
      expect({ what, body: made.body, expected }).toEqual({
        what,
        body: made.body,
        expected: buy.body!.fits(made.body) ? 'any' : 'refusal',
      });
    }
  });

  test('is the same for the same seed, and there are many kinds', () => {
    expect(some(7)).toEqual(some(7));
    expect(new Set(some(7).map(({ what }) => what)).size).toBeGreaterThan(15);
  });

  test('must be refused if a hostile text is in a path', () => {
    const random = new Random(3);
    const reading = { operation: read, params: { id: '1' }, query: {}, headers: {} };
    const hostile = Array.from({ length: 200 }, () => broken(reading, random, known)).filter(
      ({ what }) => what === 'a hostile parameter',
    );
    expect(new Set(hostile.map(({ expected }) => expected))).toEqual(new Set(['refusal']));
  });
});

test('a made-up value fits its schema', () => {
  const random = new Random(1);
  for (let i = 0; i < 300; i += 1) {
    const value = validValue(Body, random);
    expect({ value, problems: buy.body!.problems(value) }).toEqual({ value, problems: [] });
  }
});

test('an effect is a difference between two states, and names its place', () => {
  const before = new Map([
    ['table orders', { checksum: '3 rows 17' }],
    ['key v4:sale:{0}:1:owners', { checksum: 'aa' }],
  ]);
  const after = new Map([
    ['table orders', { checksum: '3 rows 18' }],
    ['key v4:sale:{0}:1:owners', { checksum: 'aa' }],
    ['key v4:tokens:{0}:1:0', { checksum: 'bb' }],
  ]);
  expect(differences(before, before, 0)).toEqual([]);
  expect(differences(before, after, 0)).toEqual([
    'table orders: 3 rows 17 → 3 rows 18',
    'key v4:tokens:{0}:1:0: nothing → bb',
  ]);
});

test('a key that has expired is no effect; a key that is gone earlier, or was changed, is one', () => {
  const before = new Map([['key v4:download:{0}:a', { checksum: 'aa', endsMs: 1_000 }]]);
  expect(differences(before, new Map(), 1_000)).toEqual([]);
  expect(differences(before, new Map(), 999)).toEqual(['key v4:download:{0}:a: aa → nothing']);
  const changed = new Map([['key v4:download:{0}:a', { checksum: 'bb', endsMs: 1_000 }]]);
  expect(differences(before, changed, 1_000)).toHaveLength(1);
});

test('an operation that rarely succeeds is a finding', () => {
  const findings = new Findings([buy]);
  for (let i = 0; i < 49; i += 1) findings.answered(buy, 202);
  for (let i = 0; i < 500; i += 1) findings.answered(buy, 400);
  findings.addRareSuccesses();
  expect(findings.text()).toMatch(/POST \/buy succeeded 49 times/);
  expect(findings.requests).toBe(549);
  expect(findings.table()).toMatch(/POST \/buy +49 +500/);
});
