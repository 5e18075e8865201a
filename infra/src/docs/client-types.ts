import openapiTypes, { astToString, type OpenAPI3 } from 'openapi-typescript';
import { operatorCalls, shopperCalls } from '@flash-sale/api/src/plugins/documents.ts';
import { Figures } from '@flash-sale/api/src/live/reading-schema.ts';
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
    available: { type: 'integer' },
    request_id: { type: 'string' },
  },
};

/** The types of the shoppers' calls, for the client of the pages. */
export const shopperTypes = async (): Promise<string> => typesOf(await shopperCalls(), { Problem: PROBLEM });

/** The types of the operators' calls, for the console and for operators' commands. */
export const operatorTypes = async (): Promise<string> => typesOf(await operatorCalls(), { Figures });

async function typesOf(calls: object, schemas: Readonly<Record<string, object>>): Promise<string> {
  // As it is served, without what only TypeBox reads.
  const document = JSON.parse(JSON.stringify(calls)) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, { responses: object }>>>>;
    components: { schemas?: object };
  };
  // A client handles refusals by their code, whatever the call: one type is enough for all.
  for (const operation of Object.values(document.paths).flatMap((path) => Object.values(path))) {
    const answers = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'));
    operation.responses = Object.fromEntries(answers);
  }
  document.components.schemas = schemas;
  const types = await openapiTypes(document as unknown as OpenAPI3, { alphabetize: true, immutable: true });
  return HEADER + astToString(types);
}
