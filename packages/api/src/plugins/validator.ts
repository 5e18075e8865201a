import type { FastifySchemaCompiler } from 'fastify';
import type { TObject, TSchema } from 'typebox';
import { Compile } from 'typebox/schema';
import { oncePerSchema } from './once-per-schema.ts';

const INTEGER = /^-?(0|[1-9][0-9]{0,15})$/;

const compileOnce = oncePerSchema((schema) => Compile(schema));

/**
 * Validates requests. Bodies are validated unchanged. Paths and query strings are text, in which an
 * integer consists of digits only: TypeBox's own conversion would make 1 of `1.5`, `1e0` and
 * `true`.
 */
export const compileValidator: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const integers = httpPart === 'body' ? [] : integersOf(schema);
  return (value: Record<string, unknown>) => {
    const compiled = compileOnce(schema);
    const read = integers.length === 0 ? value : withNumbers(value, integers);
    if (compiled.Check(read)) return { value: read };
    const [, errors] = compiled.Errors(read);
    return { error: errors as unknown as Error };
  };
};

function integersOf({ properties = {} }: Partial<TObject>): string[] {
  return Object.entries(properties).flatMap(([name, { type }]: [string, TSchema & { type?: string }]) =>
    type === 'integer' ? [name] : [],
  );
}

function withNumbers(texts: Record<string, unknown>, names: readonly string[]): Record<string, unknown> {
  const read = { ...texts };
  for (const name of names) {
    const text = read[name];
    if (typeof text === 'string' && INTEGER.test(text)) read[name] = Number(text);
  }
  return read;
}
