/** What an operator may do: an `admin` may change things, a `viewer` may only read. */
export type OperatorRole = 'admin' | 'viewer';

/** The operator who makes a call. */
export interface Operator {
  readonly role: OperatorRole;
  /**
   * The name that the caller gave, unchanged; the role if there is none. Only the role is proved.
   */
  readonly name: string;
}

/**
 * The header with an operator's name, percent-encoded: it can carry any name, with any kind of
 * credential.
 */
export const OPERATOR_NAME_HEADER = 'operator-name';

/**
 * As many code points as the column has room for, without control characters, direction overrides
 * and unassigned characters. The two joiners are allowed because some scripts need them.
 */
const PRINTABLE = /^(?:[^\p{C}\p{Zl}\p{Zp}]|[\u200c\u200d]){1,64}$/u;

/** The rule for operator names, for people. */
export const OPERATOR_NAME_RULE = 'An operator name has 1 to 64 printable characters and no space at either end';

export function isOperatorName(name: string): boolean {
  return PRINTABLE.test(name) && name.trim() === name;
}
