import type { Options, Values } from '@flash-sale/shared/platform/process/command-line.ts';
import type { Product } from '@flash-sale/web/operator-types';
import type { Call } from './api.ts';
import type { Argument } from './arguments.ts';
import { textOf } from './table.ts';

/** The checked arguments and options of a command. */
export interface Typed<Of extends Options> {
  readonly args: readonly string[];
  readonly values: Values<Of>;
}

/** One command of `npm run ops`: a call, and how its answer is shown. */
interface Definition<Answer, Of extends Options> {
  readonly name: string;
  readonly args?: readonly Argument[];
  readonly options?: Of;
  readonly summary: string;
  /** Checks options that depend on each other. @throws UsageError */
  readonly check?: (values: Values<Of>) => void;
  /**
   * For an action that cannot be undone: a sentence that says what will happen. The command asks
   * for confirmation, unless `--yes` is given.
   */
  readonly question?: (call: Call, typed: Typed<Of>) => Promise<string>;
  readonly call: (call: Call, typed: Typed<Of>) => Promise<Answer>;
  readonly show: (answer: Answer) => string;
}

export type Command = Required<Pick<Definition<never, Options>, 'name' | 'args' | 'options'>> &
  Omit<Definition<never, Options>, 'name' | 'args' | 'options'>;

/** Types are inferred per command; the list has one common type. */
export const command = <Answer, const Of extends Options = Options>(one: Definition<Answer, Of>): Command =>
  ({ args: [], options: {}, ...one }) as unknown as Command;

/** The given options as a query string. */
export function queryOf(values: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}
export const more = (nextCursor: string | null): string =>
  nextCursor === null ? '' : `\nmore: --cursor ${nextCursor}`;
export const path = (part: string): string => encodeURIComponent(part);
/** Without milliseconds, which are not useful in a list. */
export const shortTime = (time: string): string => time.replace(/\.\d+Z$/, 'Z');

/** The name of a sale in a question. */
export async function saleAsked(call: Call, id: string): Promise<{ readonly title: string; readonly sale: Product }> {
  // Shoppers can read it, so every operator can too.
  const sale = await call<Product>('GET', `../products/${path(id)}`);
  return { title: `sale ${id} (${textOf(sale.name)}, ${sale.status})`, sale };
}
