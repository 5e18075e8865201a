import {
  integer,
  readInteger,
  text,
  UsageError,
  type Values,
} from '@flash-sale/shared/platform/process/command-line.ts';
import { saleOfOrderNumber } from '@flash-sale/shared/order/order-number.ts';

/** An argument of a command. */
export interface Argument {
  readonly name: string;
  /** Converts the argument for the call. @throws UsageError */
  readonly read: (text: string) => string;
}

export const ID_MAX = 999_999_999_999_999;

export const SALE: Argument = { name: 'sale', read: (typed) => String(readInteger('<sale>', typed, 1, ID_MAX)) };

export const UNITS: Argument = { name: 'units', read: (typed) => String(readInteger('<units>', typed, 1, ID_MAX)) };

export const USER: Argument = { name: 'user', read: (typed) => nonEmpty('<user>', typed) };

export const ORDER_NO: Argument = {
  name: 'order number',
  read(typed) {
    if (saleOfOrderNumber(typed) !== undefined) return typed;
    throw new UsageError(`<order number> must look like 01KARYB6S5Q0H9M3T7ZV5W8XCE-0-17, not '${typed}'`);
  },
};

export const LIMIT = integer('<n>', 'rows of the list (default 20, at most 100)', 1, 100);

export const PAGE = {
  limit: LIMIT,
  cursor: text('<text>', 'continue the list: the cursor that the last page printed'),
};

export const WHO = { user: text('<id>', 'a shopper'), address: text('<address>', 'an address or CIDR') };

function nonEmpty(name: string, typed: string): string {
  if (typed !== '') return typed;
  throw new UsageError(`${name} must not be empty`);
}

/** Exactly one of the two options is required. */
export function checkWho({ user, address }: Values<typeof WHO>): void {
  if ((user === undefined) === (address === undefined)) {
    throw new UsageError('Give exactly one of --user <id> and --address <address>');
  }
}

const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/;

const timeExample = (): string => `such as ${new Date(Date.now() + 86_400_000).toISOString().slice(0, 16)}Z`;

/** Parses a time and returns it in the form of the API. */
export function readTime(typed: string, name: string): string {
  const time = TIME.test(typed) ? new Date(typed) : undefined;
  // JavaScript would convert the 31st of June to the 1st of July.
  if (time === undefined || !dayExists(typed)) {
    throw new UsageError(`${name} takes a date, a time and a zone, ${timeExample()}, not '${typed}'`);
  }
  return time.toISOString();
}

/** Parses a time in the future. */
export function readTimeToCome(typed: string, name: string): string {
  const time = readTime(typed, name);
  if (Date.parse(time) > Date.now()) return time;
  throw new UsageError(`${name} ${typed} is in the past: give a time in the future, ${timeExample()}`);
}

function dayExists(typed: string): boolean {
  const day = typed.slice(0, 10);
  const midnight = new Date(`${day}T00:00:00Z`);
  return (
    !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day) && !Number.isNaN(Date.parse(typed))
  );
}

/** Parses a price with at most two decimals. */
export function readPrice(typed: string, name: string): number {
  if (/^\d{1,8}(\.\d{1,2})?$/.test(typed)) return Number(typed);
  throw new UsageError(`${name} takes a price with at most two decimals, such as 19.99, not '${typed}'`);
}

/** An option that takes one of these words. */
export const oneOf =
  (...words: readonly string[]) =>
  (typed: string, name: string): string => {
    if (words.includes(typed)) return typed;
    throw new UsageError(`${name} takes ${words.map((word) => `'${word}'`).join(' or ')}, not '${typed}'`);
  };
