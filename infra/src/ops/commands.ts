import type { OperatorAction, Page } from '@flash-sale/web/operator-types';
import { PAGE } from './arguments.ts';
import { command, more, queryOf, shortTime, type Command } from './command.ts';
import { ORDER_COMMANDS } from './order-commands.ts';
import { ORDER_EVENT_COMMANDS } from './order-event-commands.ts';
import { SALE_COMMANDS } from './sale-commands.ts';
import { SHOPPER_COMMANDS } from './shopper-commands.ts';
import { fields, table } from './table.ts';

/** All commands, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  ...SALE_COMMANDS,
  ...ORDER_COMMANDS,
  ...SHOPPER_COMMANDS,
  ...ORDER_EVENT_COMMANDS,
  command({
    name: 'rotate-secret',
    summary: 'create a new secret for seckill tokens; tokens of the old one stay valid',
    call: (call) => call<object>('POST', 'token-secrets/rotate'),
    show: fields,
  }),
  command({
    name: 'actions',
    summary: 'changes made by operators, newest first',
    options: PAGE,
    call: (call, { values }) => call<Page<OperatorAction>>('GET', `actions${queryOf(values)}`),
    show: ({ items, next_cursor: nextCursor }) =>
      table(items, [
        ['id', ({ id }) => id],
        ['time', ({ time }) => shortTime(time)],
        ['operator', ({ operator }) => operator, 'cut'],
        ['role', ({ role }) => role],
        ['action', ({ action }) => action],
        ['subject', ({ subject }) => subject, 'cut'],
        ['detail', ({ detail }) => JSON.stringify(detail), 'cut'],
      ]) + more(nextCursor),
  }),
];
