import type { TSchema } from 'typebox';

/**
 * Compiles each schema once in a process, at its first use: several routes answer with the same
 * one, a GET route and its HEAD route share all of them, and most processes never see most routes.
 */
export function oncePerSchema<Compiled>(compile: (schema: TSchema) => Compiled): (schema: TSchema) => Compiled {
  const known = new WeakMap<TSchema, Compiled>();
  return (schema) => {
    let compiled = known.get(schema);
    if (compiled === undefined) {
      compiled = compile(schema);
      known.set(schema, compiled);
    }
    return compiled;
  };
}
