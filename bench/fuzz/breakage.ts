import type { Random } from '../chaos/random.ts';
import type { Call } from './call.ts';
import type { Expectation } from './check.ts';
import { parameterFits, type Operation, type Parameter } from './document.ts';
import { HOSTILE_TEXTS, STRANGE_VALUES, validValue } from './values.ts';

/** An invalid request, with the expected result. */
export interface Broken {
  readonly what: string;
  readonly call: Call;
  readonly expected: Expectation;
}

type Breakage = (call: Call, random: Random, known: Known) => Broken | undefined;

/** What is needed to break a call, in addition to the call. */
export interface Known {
  /** The methods of the call's path. */
  readonly methods: ReadonlySet<string>;
  /** Credentials that this call does not accept. */
  readonly wrongCredentials: (operation: Operation) => readonly string[];
}

const BODY_BYTES_TOO_MANY = 70_000;
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];

/**
 * Breaks a successful request in one of many ways. The OpenAPI document decides whether the result
 * must be refused.
 */
export function broken(call: Call, random: Random, known: Known): Broken {
  for (;;) {
    const result = random.pick(BREAKAGES)(call, random, known);
    if (result !== undefined) return result;
  }
}

const BREAKAGES: readonly Breakage[] = [
  bodyProperty('a strange value', (random) => random.pick(STRANGE_VALUES)),
  bodyProperty('a hostile text', (random) => random.pick(HOSTILE_TEXTS)),
  (call, random) => {
    if (objectOf(call) === undefined) return undefined;
    const other = validValue(call.operation.body!.schema, random) as object;
    return withBody('another valid body', call, { ...(call.body as object), ...other });
  },
  bodyProperty('a value wrapped in an array', (_, value) => [value]),
  bodyProperty('a number as text, or a text as number', (_, value) =>
    typeof value === 'string' ? value.length : String(value),
  ),
  bodyProperty('a number that is out of bounds', (random) =>
    random.pick([0, -1, 1.5, 2 ** 53, 10_000_001, 1_000_000_001, 0.001, -0.01, 1e21]),
  ),

  onBody('a property is missing', (body, random) => {
    const { [random.pick(Object.keys(body))]: _, ...rest } = body;
    return rest;
  }),
  onBody('a property too many', (body, random) => ({
    ...body,
    [random.pick(['admin', 'price', 'status', 'role', 'constructor', 'toString', 'USER_ID', ' user_id'])]: 1,
  })),
  onBody('no object', (_, random) => random.pick(STRANGE_VALUES)),

  onRaw('half a body', (text, random) => text.slice(0, random.integer(1, Math.max(1, text.length - 1)))),
  onRaw('two bodies', (text) => text + text),
  onRaw('a key of __proto__', (text) => text.replace('{', '{"__proto__":{"isAdmin":true},')),
  onRaw('a hidden key of __proto__', (text) => text.replace('{', '{"\\u005f_proto__":{"isAdmin":true},')),
  onRaw('a constructor with a prototype', (text) => text.replace('{', '{"constructor":{"prototype":{"a":1}},')),
  onRaw('a deep body', () => `${'['.repeat(1_500)}${']'.repeat(1_500)}`),
  onRaw('a deep object', (text) => text.replace('{', `{"a":${'{"a":'.repeat(500)}1${'}'.repeat(500)},`)),
  onRaw('a body that is not JSON', (_, random) => random.pick(['NaN', "{'a':1}", '<a/>', 'a=b', '\u0000', '{"a":01}'])),

  (call) =>
    refusal('too large a body', call, { raw: JSON.stringify({ name: 'x'.repeat(BODY_BYTES_TOO_MANY) }) }, 'POST'),
  (call, random) => {
    if (call.operation.body === undefined) return undefined;
    const type = random.pick([
      'text/plain',
      'application/xml',
      'multipart/form-data',
      'application/x-www-form-urlencoded',
    ]);
    return refusal('another media type', call, { headers: { ...call.headers, 'content-type': type } });
  },

  parameter('a hostile parameter', (random) => random.pick(HOSTILE_TEXTS)),
  parameter('a hostile parameter', (random) => random.pick(HOSTILE_TEXTS)),
  parameter('another valid parameter', anotherValue),
  parameter('another valid parameter', anotherValue),
  (call, random) => {
    if (!call.operation.parameters.some((each) => each.in === 'query')) return undefined;
    const name = random.pick(['unknown', 'user_id[]', '__proto__', 'limit ', 'LIMIT']);
    return refusal('a parameter that it does not have', call, { query: { ...call.query, [name]: '1' } });
  },
  (call, random) => {
    const asked = call.operation.parameters.filter((each) => each.in === 'query');
    if (asked.length === 0) return undefined;
    const { name } = random.pick(asked);
    return refusal('a parameter twice', call, { query: { ...call.query, [name]: ['1', '2'] } });
  },

  (call) => {
    const { authorization, ...headers } = call.headers;
    return authorization === undefined ? undefined : refusal('no credentials', call, { headers });
  },
  (call, random, { wrongCredentials }) => {
    if (call.operation.caller === undefined) return undefined;
    const authorization = random.pick(wrongCredentials(call.operation));
    return refusal('wrong credentials', call, { headers: { ...call.headers, authorization } });
  },

  (call, random, { methods }) => {
    const method = random.pick(METHODS.filter((each) => !methods.has(each)));
    return { what: 'a method that the path does not have', call: { ...call, method }, expected: 'wrong method' };
  },
  (call, random) => {
    const headers: Record<string, string> = random.pick<Record<string, string>>([
      { 'x-forwarded-for': '127.0.0.1', 'x-real-ip': '127.0.0.1' },
      { 'x-http-method-override': 'DELETE' },
      { host: 'evil.test', 'x-forwarded-host': 'evil.test' },
      { 'x-request-id': '"><script>' },
      { 'accept-encoding': 'gzip, br, zstd', accept: 'text/html' },
      { 'x-user-id': 'operator', 'x-original-url': '/api/v1/admin/products' },
      { range: 'bytes=0-1', 'if-none-match': '*' },
    ]);
    return { what: 'misleading headers', call: { ...call, headers: { ...call.headers, ...headers } }, expected: 'any' };
  },
];

function refusal(what: string, call: Call, change: Partial<Call>, method?: string): Broken | undefined {
  if (method !== undefined && call.operation.method !== method) return undefined;
  return { what, call: { ...call, ...change }, expected: 'refusal' };
}

/** A call with a changed body. The document's schema of the body decides the expected result. */
function withBody(what: string, call: Call, body: unknown): Broken {
  const { raw: _, ...rest } = call;
  // Values that JSON cannot represent arrive as other values.
  const arriving: unknown = JSON.parse(JSON.stringify(body));
  const fits = call.operation.body!.fits(arriving);
  return { what, call: { ...rest, body: arriving }, expected: fits ? 'any' : 'refusal' };
}

function onBody(what: string, change: (body: Record<string, unknown>, random: Random) => unknown): Breakage {
  return (call, random) => {
    const body = objectOf(call);
    return body === undefined ? undefined : withBody(what, call, change(body, random));
  };
}

function bodyProperty(what: string, change: (random: Random, value: unknown) => unknown): Breakage {
  return onBody(what, (body, random) => {
    const name = random.pick(Object.keys(body));
    return { ...body, [name]: change(random, body[name]) };
  });
}

function onRaw(what: string, change: (text: string, random: Random) => string): Breakage {
  return (call, random) => {
    const body = objectOf(call);
    return body === undefined ? undefined : refusal(what, call, { raw: change(JSON.stringify(body), random) });
  };
}

/** The body of a call that has one with fields. */
function objectOf({ operation, body }: Call): Record<string, unknown> | undefined {
  if (operation.body === undefined || typeof body !== 'object' || body === null) return undefined;
  return Object.keys(body).length === 0 ? undefined : (body as Record<string, unknown>);
}

function parameter(what: string, value: (random: Random, chosen: Parameter) => string): Breakage {
  return (call, random) => {
    const { parameters } = call.operation;
    if (parameters.length === 0) return undefined;
    const chosen = random.pick(parameters);
    const text = value(random, chosen);
    const change =
      chosen.in === 'path'
        ? { params: { ...call.params, [chosen.name]: text } }
        : { query: { ...call.query, [chosen.name]: text } };
    return { what, call: { ...call, ...change }, expected: mustBeRefused(chosen, text) ? 'refusal' : 'any' };
  };
}

/**
 * A number that no existing thing has, so that a random one does not name something by chance:
 * sales are numbered from one.
 */
const NUMBER_OF_NOTHING = 1_000_000_000;

function anotherValue(random: Random, { shape, in: place }: Parameter): string {
  const value = validValue(shape.schema, random);
  return String(place === 'path' && typeof value === 'number' ? value + NUMBER_OF_NOTHING : value);
}

/** Nothing has the name of a hostile text, except that a shopper may have any valid name. */
const mustBeRefused = (chosen: Parameter, text: string): boolean =>
  (chosen.in === 'path' && chosen.name !== 'userId' && HOSTILE_TEXTS.includes(text)) || !parameterFits(chosen, text);
