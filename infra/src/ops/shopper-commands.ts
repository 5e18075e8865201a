import { option, text } from '@flash-sale/shared/platform/process/command-line.ts';
import type { Denied, Page } from '@flash-sale/web/operator-types';
import { checkWho, PAGE, readTimeToCome, USER, WHO } from './arguments.ts';
import { command, more, path, queryOf, shortTime, type Command } from './command.ts';
import { fields, table, textOf } from './table.ts';

/** Commands for shoppers: the deny list, and their data. */
export const SHOPPER_COMMANDS: readonly Command[] = [
  command({
    name: 'denied',
    summary: 'the deny list: shoppers and addresses',
    options: PAGE,
    call: (call, { values }) => call<Page<Denied>>('GET', `deny-list${queryOf(values)}`),
    show: ({ items, next_cursor: nextCursor }) =>
      table(items, [
        ['user', ({ user_id: userId }) => userId ?? null, 'cut'],
        ['address', ({ address }) => address ?? null],
        ['reason', ({ reason }) => reason, 'cut'],
        ['until', ({ expires_at: expiresAt }) => (expiresAt === null ? 'no end' : shortTime(expiresAt))],
        ['since', ({ created_at: createdAt }) => shortTime(createdAt)],
      ]) + more(nextCursor),
  }),
  command({
    name: 'deny',
    summary: 'deny a shopper, an address or a CIDR',
    options: {
      ...WHO,
      reason: text('<text>', 'the reason, shown in the list'),
      until: option('<time>', 'the end of the entry (default: no end)', readTimeToCome),
    },
    check: checkWho,
    call: (call, { values: { user, address, reason, until } }) =>
      call<object>('POST', 'deny-list', { user_id: user, address, reason, expires_at: until }),
    show: fields,
  }),
  command({
    name: 'allow',
    summary: 'remove a shopper, an address or a CIDR from the deny list',
    options: WHO,
    check: checkWho,
    call: (call, { values: { user, address } }) =>
      call<object>('DELETE', `deny-list${queryOf({ user_id: user, address })}`),
    show: () => 'allowed',
  }),
  command({
    name: 'export',
    args: [USER],
    summary: 'export the data of a shopper as JSON',
    options: PAGE,
    call: (call, { args: [user], values }) => call<object>('GET', `shoppers/${path(user!)}/export${queryOf(values)}`),
    // For the shopper, who gets it unchanged.
    show: (answer) => JSON.stringify(answer, null, 2),
  }),
  command({
    name: 'erase',
    args: [USER],
    summary: 'erase the identity of a shopper; orders and sums stay under a pseudonym',
    question: async (_, { args: [user] }) =>
      `This erases the shopper ${textOf(user)}. Their orders stay under a pseudonym.`,
    call: (call, { args: [user] }) => call<object>('POST', `shoppers/${path(user!)}/erase`),
    show: fields,
  }),
];
