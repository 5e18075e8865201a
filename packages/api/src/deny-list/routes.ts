import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { ledgerTime } from '@flash-sale/shared/platform/mysql/clock.ts';
import {
  countDenyEntries,
  deleteDenyEntry,
  deleteExpiredDenyEntries,
  listDenyEntries,
  upsertDenyEntry,
  type DenyEntry,
} from './deny-list-table.ts';
import { recordAction } from '../operator/operator-actions-table.ts';
import { isTooWide, rangeOf } from '@flash-sale/shared/platform/address.ts';
import type { DenyKind } from './deny-set.ts';
import { Refusal } from '@flash-sale/shared/platform/errors.ts';
import { subjectOf } from '../shopper/erase.ts';
import type { AppDeps } from '../deps.ts';
import type { DenyList } from './deny-list.ts';
import { isoOf, LIMIT_DEFAULT, msOfTime, nextCursor } from '../fields.ts';
import { actionOf } from '../operator/action.ts';
import { Allow, Deny, ListDenied } from './schema.ts';

/** Each api process keeps all entries in memory. */
const ENTRIES_MAX = 100_000;

type Deps = Pick<AppDeps, 'db'> & { readonly denyList: DenyList };

/** Operators' calls on the deny list. */
export const denyListRoutes: FastifyPluginAsyncTypebox<Deps> = async (app, { db, denyList }) => {
  const path = '/api/v1/admin/deny-list';
  const changing = { onRequest: app.requireOperator('admin') };

  app.get(path, { schema: ListDenied, onRequest: app.requireOperator('viewer') }, async (request) => {
    const { limit = LIMIT_DEFAULT, cursor } = request.query;
    const entries = await listDenyEntries(db, { limit, after: cursor === undefined ? undefined : entryOf(cursor) });
    return {
      items: entries.map(entryView),
      next_cursor: nextCursor(entries, limit, ({ kind, value }) => `${kind}:${value}`),
    };
  });

  app.post(path, { schema: Deny, ...changing }, async (request) => {
    const { reason = null, expires_at: expires, ...who } = request.body;
    const denied = deniedOf(who);
    const createdAt = await ledgerTime(db);
    const expiresMs = expires === undefined ? undefined : msOfTime(expires);
    if (expires !== undefined && (expiresMs === undefined || expiresMs <= createdAt.getTime())) {
      throw new Refusal('invalid_request', { detail: 'body/expires_at must be in the future' });
    }
    const expiresAt = expiresMs === undefined ? null : new Date(expiresMs);
    await db.transaction().execute(async (tx) => {
      await upsertDenyEntry(tx, { ...denied, reason, expiresAt, createdAt });
      await deleteExpiredDenyEntries(tx);
      if ((await countDenyEntries(tx)) > ENTRIES_MAX) {
        throw new Refusal('invalid_request', { detail: `The deny list is full: ${ENTRIES_MAX} entries` });
      }
      await recordAction(tx, actionOf(request, 'deny', subjectOfEntry(denied), { reason, expires_at: expiresAt }));
    });
    // In effect here at once; in the other processes after their next check.
    await denyList.changed();
    return entryView({ ...denied, reason, expiresAt, createdAt });
  });

  app.delete(path, { schema: Allow, ...changing }, async (request, reply) => {
    const denied = deniedOf(request.query);
    await db.transaction().execute(async (tx) => {
      // Roll back: a refused call must change nothing, not even the version of the list.
      if (!(await deleteDenyEntry(tx, denied.kind, denied.value))) throw new Refusal('not_found');
      await recordAction(tx, actionOf(request, 'allow', subjectOfEntry(denied)));
    });
    await denyList.changed();
    return reply.code(204).send(null);
  });
};

interface WhoJson {
  readonly user_id?: string;
  readonly address?: string;
}

/** The user or address of a call, in the canonical form of the list. */
function deniedOf(who: WhoJson): { readonly kind: DenyKind; readonly value: string } {
  const { user_id: userId, address } = who;
  if ((userId === undefined) === (address === undefined)) {
    throw new Refusal('invalid_request', { detail: 'exactly one of user_id and address is required' });
  }
  if (userId !== undefined) return { kind: 'user', value: userId };
  const range = rangeOf(address!);
  if (range === undefined || isTooWide(range)) {
    throw new Refusal('invalid_request', {
      detail: 'address must be an IP address, or a CIDR of at least 8 bits (IPv4) or 16 bits (IPv6)',
    });
  }
  return { kind: 'address', value: range.cidr };
}

/**
 * The subject of a change in the operators' actions. For a shopper it is the one of all other
 * actions, so that erasing finds it.
 */
function subjectOfEntry({ kind, value }: Pick<DenyEntry, 'kind' | 'value'>): string {
  return kind === 'user' ? subjectOf(value) : `address ${value}`;
}

/** The entry that a cursor names. */
function entryOf(cursor: string): Pick<DenyEntry, 'kind' | 'value'> {
  const [, kind, value] = /^(user|address):(.+)$/s.exec(cursor) ?? [];
  if (kind === undefined || value === undefined) {
    throw new Refusal('invalid_request', { detail: 'querystring/cursor must be the next_cursor of an earlier page' });
  }
  return { kind: kind as DenyKind, value };
}

function entryView({ kind, value, reason, expiresAt, createdAt }: DenyEntry) {
  return {
    ...(kind === 'user' ? { user_id: value } : { address: value }),
    reason,
    expires_at: expiresAt === null ? null : isoOf(expiresAt.getTime()),
    created_at: isoOf(createdAt.getTime()),
  };
}
