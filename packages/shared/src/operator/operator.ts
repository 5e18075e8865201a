/** What an operator may do: an `admin` changes things, a `viewer` only reads. */
export type OperatorRole = 'admin' | 'viewer';

/** Who makes an operator's call. */
export interface Operator {
  readonly role: OperatorRole;
  /** The name that the caller gave, as it was given; the role if none was. Only the role is proved. */
  readonly name: string;
}

/** The header that carries an operator's name, percent-encoded: any name fits, beside any kind of credential. */
export const OPERATOR_NAME_HEADER = 'operator-name';

/**
 * As many code points as the column of the record has room for: no controls, no direction overrides, nothing unassigned. The two joiners are
 * part of how some scripts are spelled.
 */
const PRINTABLE = /^(?:[^\p{C}\p{Zl}\p{Zp}]|[\u200c\u200d]){1,64}$/u;

/** What an operator's name must be; for people. */
export const OPERATOR_NAME_RULE = 'An operator name has 1 to 64 printable characters and no space at either end';

export function isOperatorName(name: string): boolean {
  return PRINTABLE.test(name) && name.trim() === name;
}
