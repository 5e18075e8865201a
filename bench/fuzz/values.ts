import { sample, stringMatching } from 'fast-check';
import type { Random } from '../chaos/random.ts';
import { shapeOf, type JsonSchema } from './document.ts';

const TEXT_CHARS_MAX = 40;

/** A value that fits the schema. About half of the optional fields are present. */
export function validValue(schema: JsonSchema, random: Random): unknown {
  if ('const' in schema) return schema['const'];
  if (Array.isArray(schema['enum'])) return random.pick(schema['enum'] as unknown[]);
  const variants = (schema['anyOf'] ?? schema['oneOf']) as readonly JsonSchema[] | undefined;
  if (variants !== undefined) return validValue(random.pick(variants), random);
  switch (schema['type']) {
    case 'object':
      return validObject(schema, random);
    case 'array': {
      const { minItems = 0, maxItems = 3 } = schema as { minItems?: number; maxItems?: number };
      const length = random.integer(minItems, Math.min(maxItems, minItems + 3));
      return Array.from({ length }, () => validValue((schema['items'] ?? {}) as JsonSchema, random));
    }
    case 'integer':
    case 'number':
      return validNumber(schema, random);
    case 'string':
      return validText(schema, random);
    case 'boolean':
      return random.chance(0.5);
    default:
      return null;
  }
}

function validObject(schema: JsonSchema, random: Random): Record<string, unknown> {
  const properties = (schema['properties'] ?? {}) as Record<string, JsonSchema>;
  const required = new Set((schema['required'] ?? []) as readonly string[]);
  return Object.fromEntries(
    Object.entries(properties).flatMap(([name, property]) =>
      required.has(name) || random.chance(0.5) ? [[name, validValue(property, random)]] : [],
    ),
  );
}

function validNumber(schema: JsonSchema, random: Random): number {
  const { minimum = 1, maximum = minimum + 1_000 } = schema as { minimum?: number; maximum?: number };
  // Use the bounds often: many errors occur there.
  const edge = random.next();
  if (edge < 0.1) return minimum;
  if (edge < 0.2) return maximum;
  return random.integer(Math.ceil(minimum), Math.min(maximum, Math.ceil(minimum) + 1_000_000));
}

function validText(schema: JsonSchema, random: Random): string {
  const {
    minLength = 0,
    maxLength = TEXT_CHARS_MAX,
    pattern,
  } = schema as Readonly<{
    minLength?: number;
    maxLength?: number;
    pattern?: string;
  }>;
  if (pattern === undefined) {
    const length = random.integer(minLength, Math.min(maxLength, minLength + TEXT_CHARS_MAX));
    return Array.from({ length }, () => String.fromCharCode(random.integer(0x21, 0x7e))).join('');
  }
  const shape = shapeOf(schema);
  const options = { seed: random.integer(1, 2 ** 31 - 1), numRuns: 20 };
  const found = sample(stringMatching(new RegExp(pattern, 'u')), options).find((text) => shape.fits(text));
  if (found === undefined) throw new Error(`no text was found for ${JSON.stringify(schema)}`);
  return found;
}

/**
 * Texts that break careless code: they end lines, statements, patterns, key names, paths and
 * Unicode.
 */
export const HOSTILE_TEXTS: readonly string[] = [
  '',
  ' ',
  '\u0000',
  'a\r\nset-cookie: a=b',
  'a\nX: b',
  "' OR '1'='1",
  '1; DROP TABLE orders; --',
  '" OR ""="',
  '%27%20OR%201=1',
  '*',
  '{0}:17:owners',
  'a}:{b',
  "x']) redis.call('FLUSHALL') --",
  'return redis.call("KEYS", "*")',
  '../../../etc/passwd',
  '..%2f..%2f',
  '$(id)',
  '${7*7}',
  '{{7*7}}',
  '<script>alert(1)</script>',
  '__proto__',
  'constructor',
  'toString',
  'null',
  'undefined',
  'NaN',
  'true',
  '0',
  '-1',
  '1e309',
  '9007199254740993',
  '0x10',
  '１',
  'ú1',
  'U\u0301',
  '\ud83d\ude00',
  '\ud800',
  '\u202eabc',
  '\ufeff',
  'x'.repeat(256),
  'x'.repeat(300),
  '01KARYB6S5Q0H9M3T7ZV5W8XCE-0-17',
  '01KARYB6S5Q0H9M3T7ZV5W8XCE-9999-999999999999999',
];

/** Values of every JSON type, at its limits. */
export const STRANGE_VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -0,
  -1,
  0.5,
  1e-9,
  2 ** 31,
  2 ** 53,
  1e308,
  -1e308,
  '',
  '1',
  [],
  [1],
  [null],
  {},
  { $gt: '' },
  { toString: 1 },
  { length: 1e9 },
];
