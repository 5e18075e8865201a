import openapiTypes, { astToString, type OpenAPI3 } from 'openapi-typescript';
import { shopperCalls } from '@flash-sale/api/src/plugins/shopper-calls.ts';
import { ERRORS } from '@flash-sale/shared/platform/errors.ts';

const HEADER = `// Written by \`npm run docs\` from the OpenAPI document of the api's routes.\n\n`;

const PROBLEM = {
  type: 'object',
  required: ['type', 'title', 'status', 'code', 'request_id'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { enum: Object.keys(ERRORS) },
    detail: { type: 'string' },
    request_id: { type: 'string' },
  },
};

/** The types of the shoppers' calls, for the client of the pages. */
export async function clientTypes(): Promise<string> {
  const document = structuredClone(await shopperCalls()) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, { responses: object }>>>>;
    components: { schemas?: object };
  };
  // A client handles refusals by their code, whatever the call: one type is enough for all.
  for (const operation of Object.values(document.paths).flatMap((path) => Object.values(path))) {
    const answers = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'));
    operation.responses = Object.fromEntries(answers);
  }
  document.components.schemas = { Problem: PROBLEM };
  const types = await openapiTypes(document as unknown as OpenAPI3, { alphabetize: true, immutable: true });
  return HEADER + astToString(types);
}
