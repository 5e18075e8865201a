import { expect } from 'vitest';
import type { Sale } from '../../src/sale/sale.ts';
import type { Admission, AdmitCall, AdmitItem } from '../../src/admission/admission-commands.ts';
import { newCall, newItem, snapshot } from '../../testing/buying.ts';
import type { TestContext } from '../../testing/support.ts';

export const outcomes = (admissions: readonly Admission[]): string[] => admissions.map(({ outcome }) => outcome);
export const setState = (context: TestContext, sale: Sale, fields: Record<string, string | number>) =>
  context.redis.hset(context.keys.sale(sale).state, fields);

/** Lets one shopper buy with a call and an item changed as given. */
export async function buyWith(
  context: TestContext,
  sale: Sale,
  call: Partial<AdmitCall> = {},
  item: Partial<AdmitItem> = {},
  user = 'u1',
): Promise<Admission> {
  const made = await newItem(context, sale, user, item);
  const [admission] = await context.commands.admit(sale, await newCall(context, sale, call), [made]);
  return admission!;
}

/** Runs `work` and fails if anything of the sale except a bucket has changed. */
export async function changingNothing<Result>(
  context: TestContext,
  sale: Sale,
  work: () => Promise<Result>,
): Promise<Result> {
  const before = await snapshot(context, sale);
  const result = await work();
  expect(await snapshot(context, sale)).toEqual(before);
  return result;
}

const HOUR_MS = 3_600_000;

/** Each way to be refused, in the order of the checks; the later ones must not hide the earlier. */
export const REFUSALS = {
  not_ready: (context: TestContext, sale: Sale) => setState(context, sale, { ready: 0 }),
  ended: (context: TestContext, sale: Sale) => setState(context, sale, { end_ms: Date.now() - 1_000 }),
  not_started: (context: TestContext, sale: Sale) => setState(context, sale, { start_ms: Date.now() + HOUR_MS }),
  paused: (context: TestContext, sale: Sale) => context.commands.setPause(sale, 1_000, true),
  sold_out: (context: TestContext, sale: Sale) => setState(context, sale, { available: 0 }),
} as const;
