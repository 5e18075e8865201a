import Schema from 'typebox/schema';

/** A JSON Schema of the document. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/** Checks whether a value fits a schema, and if not, why. */
export interface Shape {
  readonly schema: JsonSchema;
  readonly fits: (value: unknown) => boolean;
  readonly problems: (value: unknown) => string[];
}

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query';
  readonly required: boolean;
  readonly shape: Shape;
}

/** One call of the API, from its OpenAPI document. */
export interface Operation {
  /** Such as `POST /api/v1/orders/{orderNo}/pay`. */
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly body: Shape | undefined;
  /** The kind of credentials that it requires; undefined if it requires none. */
  readonly caller: 'shopper' | 'operator' | undefined;
  /** Status → media type → schema of the answer; undefined for an answer without a body. */
  readonly answers: ReadonlyMap<number, ReadonlyMap<string, Shape> | undefined>;
}

interface Document {
  readonly paths: Record<string, Record<string, RawOperation>>;
}

type Content = Record<string, { readonly schema: JsonSchema }>;

interface RawOperation {
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: 'path' | 'query' | 'header';
    readonly required?: boolean;
    readonly schema: JsonSchema;
  }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Record<string, { readonly content?: Content }>;
  readonly security?: readonly Record<string, unknown>[];
}

/** Every operation of an OpenAPI document, in its order. */
export function operationsOf(document: Document): Operation[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, raw]) => operationOf(path, method.toUpperCase(), raw)),
  );
}

function operationOf(path: string, method: string, raw: RawOperation): Operation {
  const schemes = (raw.security ?? []).flatMap((scheme) => Object.keys(scheme));
  const body = raw.requestBody?.content['application/json']?.schema;
  return {
    name: `${method} ${path}`,
    method,
    path,
    parameters: (raw.parameters ?? []).flatMap(({ name, in: place, required = false, schema }) =>
      place === 'header' ? [] : [{ name, in: place, required, shape: shapeOf(schema) }],
    ),
    body: body && shapeOf(body),
    caller: schemes.some((scheme) => /operator|viewer|admin/i.test(scheme))
      ? 'operator'
      : schemes.length > 0
        ? 'shopper'
        : undefined,
    answers: new Map(
      Object.entries(raw.responses).map(([status, { content }]) => [
        Number(status),
        content && new Map(Object.entries(content).map(([type, { schema }]) => [type, shapeOf(schema)])),
      ]),
    ),
  };
}

export function shapeOf(schema: JsonSchema): Shape {
  const compiled = Schema.Compile(schema as Parameters<typeof Schema.Compile>[0]);
  return {
    schema,
    fits: (value) => compiled.Check(value),
    problems: (value) => compiled.Errors(value)[1].map(({ instancePath, message }) => `${instancePath} ${message}`),
  };
}

/** Whether the text of a parameter fits: an integer consists of digits only. */
export function parameterFits({ shape }: Parameter, text: string): boolean {
  if (shape.schema['type'] !== 'integer') return shape.fits(text);
  return /^-?(0|[1-9]\d{0,15})$/.test(text) && shape.fits(Number(text));
}
