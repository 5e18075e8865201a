import type { BodyOfAnswer, BodyOfCall, Method } from './answer.ts';
import type { components, paths } from './operator-schema.ts';

type Admin = '/api/v1/admin';
type AnswerOf<Path extends string, As extends Method> = BodyOfAnswer<paths, `${Admin}/${Path}` & keyof paths, As>;
type ItemOf<Path extends string> = AnswerOf<Path, 'get'> extends { items: readonly (infer Item)[] } ? Item : never;

/** A page of a list. */
export interface Page<Item> {
  readonly items: readonly Item[];
  readonly next_cursor: string | null;
}

/** A sale with its figures, as a list has it. */
export type Sale = ItemOf<'products'>;
export type Product = AnswerOf<'products/{id}', 'patch'>;
/** What may be changed of a sale. */
export type SaleFacts = Omit<Required<BodyOfCall<paths, '/api/v1/admin/products/{id}', 'patch'>>, 'waiting_room'>;
export type Stats = AnswerOf<'products/{id}/stats', 'get'>;
export type Audit = AnswerOf<'products/{id}/audit', 'post'>;

export type Order = ItemOf<'orders'>;
export type Download = AnswerOf<'downloads', 'post'>;
/** An order with its history and its payments. */
export type OrderFile = AnswerOf<'orders/{orderNo}', 'get'>;
export type Payment = OrderFile['payments'][number];
/** A payment that somebody should look at. */
export type ProblemPayment = ItemOf<'payments'>;
export type OrderEvents = ItemOf<'order-events'>;
export type Job = ItemOf<'jobs'>;
export type Denied = ItemOf<'deny-list'>;
/** A change that an operator has made. */
export type OperatorAction = ItemOf<'actions'>;

/** The data of a `figures` event of the live stream. */
export type FiguresEvent = components['schemas']['Figures'];
/** Figures of a live sale. The first event of a stream has all of them. */
export type SaleFigures = Required<FiguresEvent['sales'][number]>;
export type ShardFigures = FiguresEvent['shards'][number];
export type ProcessFigures = NonNullable<FiguresEvent['processes']>[number];
