import Type from 'typebox';
import type { ErrorCode } from '@flash-sale/shared/platform/errors.ts';
import { ORDER_NO_LENGTH_MAX, ORDER_NO_PATTERN } from '@flash-sale/shared/order/order-number.ts';
import { USER_ID_LENGTH_MAX, USER_ID_PATTERN } from '@flash-sale/shared/shopper/shopper.ts';

/** Fields that several calls share. */
export const UserId = Type.String({
  pattern: USER_ID_PATTERN,
  maxLength: USER_ID_LENGTH_MAX,
  description: `1 to ${USER_ID_LENGTH_MAX} visible ASCII characters`,
  examples: ['alice'],
});
/** The longest decoded part of a path that the router accepts: a shopper's id. */
export const PATH_PART_LENGTH_MAX = USER_ID_LENGTH_MAX;
/** Any text is accepted here: one that is not an order number just names no order. */
export const OrderNoInPath = Type.Object({ orderNo: Type.String({ maxLength: PATH_PART_LENGTH_MAX }) });
export const ProductId = Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER });
export const SeckillToken = Type.String({ minLength: 1, maxLength: 128 });
export const Time = Type.String({ description: 'ISO-8601, UTC', examples: ['2026-11-27T20:00:00.000Z'] });
export const Price = Type.Number({ description: 'At most two decimals', examples: [19.99] });
export const ProductIdInPath = Type.Object({ id: ProductId });
/** The cursor of a list that is sorted by a numeric id. */
export const IdCursor = Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,14}$' }));
/** The cursor of a list that is sorted by order number. */
export const OrderNoCursor = Type.Optional(Type.String({ maxLength: ORDER_NO_LENGTH_MAX, pattern: ORDER_NO_PATTERN }));
export const Limit = Type.Optional(
  Type.Integer({ minimum: 1, maximum: 100, description: 'Rows per page, 20 by default' }),
);
export const LIMIT_DEFAULT = 20;
export const NextCursor = Type.Union([Type.String(), Type.Null()], {
  description: 'The `cursor` of the next page; null on the last page',
});

/** The `next_cursor` of a page of at most `limit` rows: null if the page is the last one. */
export function nextCursor<Row>(rows: readonly Row[], limit: number, cursorOf: (last: Row) => string): string | null {
  return rows.length === limit ? cursorOf(rows.at(-1)!) : null;
}

/** The id that an `IdCursor` names. */
export function idOfCursor(cursor: string | undefined): number | undefined {
  return cursor === undefined ? undefined : Number(cursor);
}

/** Shoppers' calls are small. A larger body is refused before it is parsed. */
export const SHOPPER_BODY_BYTES_MAX = 4_096;

/** A time as ISO-8601 in UTC. */
export function isoOf(timeMs: number): string {
  return new Date(timeMs).toISOString();
}

/** The latest time that MySQL's DATETIME can hold. */
const TIME_MS_MAX = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/**
 * Converts an RFC 3339 time to milliseconds since the epoch; undefined if the text is not a valid
 * time or cannot be stored. `Date.parse` alone would convert 30 February to 2 March.
 */
export function msOfTime(text: string): number | undefined {
  const timeMs = Date.parse(text);
  const day = text.slice(0, 10);
  const dayMs = Date.parse(day);
  if (Number.isNaN(timeMs) || timeMs > TIME_MS_MAX || isoOf(dayMs).slice(0, 10) !== day) return undefined;
  return timeMs;
}

/**
 * How shoppers' calls are secured, for the OpenAPI document: by an access token in `jwt` mode, by
 * the gateway in `trusted` mode.
 */
export const SHOPPER_SECURITY: { [scheme: string]: string[] }[] = [{}, { accessToken: [] }];

/** How an operator's call is listed and secured, for the OpenAPI document. */
export const OPERATOR_CALL = { tags: ['operators'], security: [{ operatorToken: [] as string[] }] };

/**
 * The errors that a call may return, for the OpenAPI document, in addition to those that all
 * similar calls may return.
 */
export function mayRefuse(...problems: ErrorCode[]): { readonly problems: readonly ErrorCode[] } {
  return { problems };
}
