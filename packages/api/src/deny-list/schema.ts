import Type from 'typebox';
import { USER_ID_LENGTH_MAX } from '@flash-sale/shared/shopper/shopper.ts';
import { Limit, mayRefuse, NextCursor, OPERATOR_CALL, Time, UserId } from '../fields.ts';

const Address = Type.String({
  pattern: '^[0-9a-fA-F.:]{2,45}(/[0-9]{1,3})?$',
  description: 'An address, or a CIDR of at least 8 bits (IPv4) or 16 (IPv6)',
  examples: ['203.0.113.0/24'],
});
/** The denied user or address: exactly one of the two. */
const Who = { user_id: Type.Optional(UserId), address: Type.Optional(Address) };

const DenyEntry = Type.Object({
  user_id: Type.Optional(Type.String()),
  address: Type.Optional(Type.String({ description: 'CIDR' })),
  reason: Type.Union([Type.String(), Type.Null()]),
  expires_at: Type.Union([Time, Type.Null()], { description: 'Null if the entry has no end' }),
  created_at: Time,
});

export const ListDenied = {
  ...OPERATOR_CALL,
  summary: 'The deny list',
  querystring: Type.Object(
    {
      limit: Limit,
      cursor: Type.Optional(Type.String({ minLength: 1, maxLength: 'address:'.length + USER_ID_LENGTH_MAX })),
    },
    { additionalProperties: false },
  ),
  response: { 200: Type.Object({ items: Type.Array(DenyEntry), next_cursor: NextCursor }) },
};

export const Deny = {
  ...OPERATOR_CALL,
  summary: 'Deny a user or an address',
  description: 'Takes effect in every api process within one second. A repeated call replaces the entry.',
  body: Type.Object(
    {
      ...Who,
      reason: Type.Optional(Type.String({ maxLength: 200, pattern: '^[^\\u0000-\\u001f\\u007f]*$' })),
      expires_at: Type.Optional(
        Type.String({ ...Time, maxLength: 40, description: 'The entry has no end if this is left out' }),
      ),
    },
    { additionalProperties: false },
  ),
  response: { 200: DenyEntry },
};

export const Allow = {
  ...OPERATOR_CALL,
  summary: 'Remove an entry from the deny list',
  querystring: Type.Object(Who, { additionalProperties: false }),
  ...mayRefuse('not_found'),
  response: { 204: Type.Null() },
};
