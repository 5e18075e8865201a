import Type, { type TObject } from 'typebox';
import { ERRORS, type ErrorCode } from '@flash-sale/shared/domain/errors.ts';

interface Answer {
  readonly description: string;
  readonly content: { readonly 'application/problem+json': { readonly schema: TObject } };
}

/** The refusals that a call may answer, by status, for the OpenAPI document: what each code means stands in its description. */
export function refusals(...codes: readonly ErrorCode[]): Record<number, Answer> {
  const answers: Record<number, Answer> = {};
  for (const { status } of codes.map((code) => ERRORS[code])) {
    const same = codes.filter((code) => ERRORS[code].status === status);
    const description = same.map((code) => `\`${code}\`: ${ERRORS[code].advice}`).join('\n\n');
    const schema = Type.Object({
      type: Type.String(),
      title: Type.String(),
      status: Type.Integer(),
      code: Type.Enum(same),
      detail: Type.Optional(Type.String()),
      request_id: Type.String(),
    });
    answers[status] = { description, content: { 'application/problem+json': { schema } } };
  }
  return answers;
}

/** What every operator's call may be refused for. */
export const OPERATOR_REFUSALS = [
  'invalid_request',
  'unauthenticated',
  'forbidden',
  'rate_limited',
  'unavailable',
  'internal',
] as const satisfies readonly ErrorCode[];
