import type { FastifyRequest } from 'fastify';
import type { OperatorAction } from './operator-actions-table.ts';

/** The record of an operator's action. */
export function actionOf(
  { operator: { name, role } }: FastifyRequest,
  action: string,
  subject: string,
  detail?: object,
): OperatorAction {
  return { operator: name, role, action, subject, detail };
}
