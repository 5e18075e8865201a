/** What an operator may do: an `admin` changes things, a `viewer` only reads. */
export type OperatorRole = 'admin' | 'viewer';

/** Who makes an operator's call. */
export interface Operator {
  readonly role: OperatorRole;
  /** The user name of basic auth, or the role where none was given. Said by the caller: only the role is proved. */
  readonly name: string;
}

export const OPERATOR_NAME_LENGTH_MAX = 64;
