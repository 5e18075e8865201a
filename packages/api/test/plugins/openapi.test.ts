import { expect, it } from 'vitest';
import { openTestApp } from '../../testing/support.ts';

const { app } = await openTestApp();

/** Enough of an OpenAPI document to read it. */
interface Document {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, { summary?: string; responses: object; requestBody?: unknown }>>;
  readonly components: { readonly securitySchemes: object };
}

const documentOf = async (): Promise<Document> => (await app.get('/docs/json')).json();

it('serves the document as JSON, and a page that shows it', async () => {
  const answer = await app.get('/docs/json');
  expect(answer.statusCode).toBe(200);
  expect(answer.headers['content-type']).toMatch(/^application\/json\b/);
  expect(await documentOf()).toMatchObject({ openapi: '3.1.0', info: { title: 'Flash sale' } });
  const page = await app.get('/docs');
  expect(page.statusCode).toBe(200);
  expect(page.headers['content-type']).toMatch(/^text\/html\b/);
});

it('lists every call of the contract, each with a summary, its answers and its body', async () => {
  const { paths } = await documentOf();
  const calls = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, call]) => ({ name: `${method.toUpperCase()} ${path}`, call })),
  );
  expect(calls.map(({ name }) => name)).toEqual(
    expect.arrayContaining([
      'GET /api/v1/products',
      'GET /api/v1/products/{id}',
      'POST /api/v1/admin/products',
      'POST /api/v1/admin/products/{id}/pause',
      'POST /api/v1/admin/products/{id}/resume',
      'POST /api/v1/seckill/token',
      'POST /api/v1/seckill/buy',
      'GET /api/v1/orders/{orderNo}',
      'GET /api/v1/orders',
      'POST /api/v1/orders/{orderNo}/pay',
      'POST /api/v1/orders/{orderNo}/cancel',
      'POST /api/v1/payments/webhook/{provider}',
      'GET /api/v1/admin/orders/{orderNo}',
      'POST /api/v1/admin/orders/{orderNo}/refund',
      'GET /api/v1/admin/products/{id}/stats',
    ]),
  );
  for (const { call } of calls) {
    expect(call.summary).toBeTruthy();
    expect(Object.keys(call.responses)).not.toHaveLength(0);
  }
  expect(paths['/api/v1/seckill/buy']!['post']!.requestBody).toBeDefined();
  expect(Object.keys(paths['/api/v1/seckill/buy']!['post']!.responses)).toContain('202');
});

it('lists only calls that exist: each documented call has a route', async () => {
  for (const [path, methods] of Object.entries((await documentOf()).paths)) {
    const url = path.replaceAll(/\{(\w+)\}/g, ':$1');
    for (const method of Object.keys(methods)) {
      expect({ url, method, routed: app.server.hasRoute({ url, method: method.toUpperCase() }) }).toEqual({
        url,
        method,
        routed: true,
      });
    }
  }
});

it('has no reference to a missing definition', async () => {
  const document = await documentOf();
  const references = JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g);
  for (const [, path] of references) {
    const target = path!.split('/').reduce<unknown>((at, part) => (at as Record<string, unknown>)?.[part], document);
    expect({ path, target }).not.toEqual({ path, target: undefined });
  }
});

/** A JSON Schema, as far as limits go. */
interface Limited {
  readonly type?: string;
  readonly enum?: unknown;
  readonly const?: unknown;
  readonly anyOf?: readonly Limited[];
  readonly properties?: Record<string, Limited>;
  readonly additionalProperties?: unknown;
  readonly items?: Limited;
  readonly maxItems?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
}

/** Where a schema lets anything through, by path. */
function unlimited(schema: Limited, at: string): string[] {
  if (schema.enum !== undefined || schema.const !== undefined) return [];
  if (schema.type === 'boolean' || schema.type === 'null') return [];
  if (schema.anyOf !== undefined) return schema.anyOf.flatMap((each) => unlimited(each, at));
  switch (schema.type) {
    case 'object':
      return [
        ...(schema.additionalProperties === false ? [] : [`${at} takes any property`]),
        ...Object.entries(schema.properties ?? {}).flatMap(([name, each]) => unlimited(each, `${at}/${name}`)),
      ];
    case 'array':
      return [
        ...(schema.maxItems === undefined ? [`${at} takes any number of items`] : []),
        ...unlimited(schema.items ?? {}, `${at}/*`),
      ];
    case 'string': {
      // The pattern limits the length, unless it has `*`, `+` or an open count.
      const isBounded = schema.pattern !== undefined && !/[*+]|,\}/.test(schema.pattern);
      return schema.maxLength === undefined && !isBounded ? [`${at} takes any length`] : [];
    }
    case 'integer':
    case 'number':
      return schema.minimum === undefined || schema.maximum === undefined ? [`${at} has no bounds`] : [];
    default:
      return [`${at} takes anything`];
  }
}

it('limits every field that a client may send, and allows no other', async () => {
  const document = await documentOf();
  const found = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, call]) => {
      const at = `${method.toUpperCase()} ${path}`;
      const { parameters = [], requestBody } = call as {
        parameters?: { name: string; schema: Limited }[];
        requestBody?: { content: Record<string, { schema: Limited }> };
      };
      return [
        ...parameters.flatMap(({ name, schema }) => unlimited(schema, `${at} ${name}`)),
        ...Object.values(requestBody?.content ?? {}).flatMap(({ schema }) => unlimited(schema, `${at} body`)),
      ];
    }),
  );
  expect(found).toEqual([]);
});

it('declares every refusal as a problem with its codes', async () => {
  const { paths } = await documentOf();
  const answers = paths['/api/v1/seckill/buy']!['post']!.responses as Record<string, { content: object }>;
  expect(answers['409']!.content).toMatchObject({
    'application/problem+json': {
      schema: { properties: { code: { enum: expect.arrayContaining(['sold_out', 'ended', 'paused']) } } },
    },
  });
  for (const methods of Object.values(paths)) {
    for (const call of Object.values(methods)) {
      expect(Object.keys(call.responses)).toEqual(expect.arrayContaining(['400', '429', '500', '503']));
    }
  }
});
