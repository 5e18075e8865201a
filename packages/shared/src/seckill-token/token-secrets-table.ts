import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { keyIdOf } from './seckill-token.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { isDuplicate } from '../platform/mysql/errors.ts';

const FIRST = 1;
/** How long a new secret only verifies, so that every api process knows it before the first token comes that it signed. */
const SPREAD_MS = 1_500;
/** How long beyond the life of its last token a secret verifies: a retry that comes late still learns of its order. */
const LATE_RETRY_MS = 600_000;

/** A rotation of the secrets. */
export interface Rotation {
  /** What the tokens of the new secret begin with. */
  readonly key_id: string;
  readonly signs_from: Date;
  /** Until when tokens of the secret before it are taken. */
  readonly previous_until: Date;
}

interface Secret {
  readonly id: number;
  readonly secret: string;
  readonly signs_from_ms: number;
}

/**
 * The first secret that all processes share: made by whoever comes first, then kept in MySQL. The payment sandbox signs with it, so it is
 * never deleted.
 */
export async function sharedTokenSecret(db: Db): Promise<string> {
  const read = () => db.selectFrom('token_secrets').select('secret').where('id', '=', FIRST).executeTakeFirst();
  const found = await read();
  if (found !== undefined) return found.secret;
  try {
    return (await insertSecret(db, FIRST, null)).secret;
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    return (await read())!.secret;
  }
}

/**
 * The secrets of seckill tokens that all api processes share where none are configured, for `SeckillTokens`: the one that signs, then all others
 * that verify.
 *
 * @param token_life_ms how long seckill tokens live
 */
export async function sharedTokenSecrets(db: Db, token_life_ms: number): Promise<[string, ...string[]]> {
  return (await readTokenSecrets(db, token_life_ms)).secrets;
}

/** The same with a version, which each rotation raises. */
export async function readTokenSecrets(
  db: Db,
  token_life_ms: number,
): Promise<{ secrets: [string, ...string[]]; version: number }> {
  await sharedTokenSecret(db);
  const { secrets, now_ms } = await readSecrets(db);
  const verifying = secrets.filter((_, i) => !isRetired(secrets[i - 1], token_life_ms, now_ms));
  const signer = verifying.find(({ signs_from_ms }) => signs_from_ms <= now_ms) ?? verifying.at(-1)!;
  const others = verifying.filter(({ id }) => id !== signer.id);
  return { secrets: [signer.secret, ...others.map(({ secret }) => secret)], version: secrets[0]!.id };
}

/**
 * Makes a new secret, which signs in a moment. Asked again until then, it answers the rotation that is under way. `record` writes in the transaction
 * of a rotation that is new.
 */
export async function rotateTokenSecrets(
  db: Db,
  token_life_ms: number,
  record?: (tx: Tx, rotation: Rotation) => Promise<void>,
): Promise<Rotation> {
  // There is one to follow, also where no token was ever signed.
  await sharedTokenSecret(db);
  // Each statement sees what is committed by then, so that whoever waited for the lock finds the other's rotation.
  const transaction = db.transaction().setIsolationLevel('read committed');
  return transaction.execute(async (tx) => {
    await tx.selectFrom('token_secrets').select('id').where('id', '=', FIRST).forUpdate().execute();
    const { secrets, now_ms } = await readSecrets(tx);
    const newest = secrets[0]!;
    if (newest.signs_from_ms > now_ms) return rotationTo(newest, token_life_ms);
    const retired = secrets.filter((_, i) => isRetired(secrets[i - 1], token_life_ms, now_ms));
    const ids = retired.map(({ id }) => id).filter((id) => id !== FIRST);
    if (ids.length > 0) await tx.deleteFrom('token_secrets').where('id', 'in', ids).execute();
    const rotation = rotationTo(await insertSecret(tx, newest.id + 1, now_ms + SPREAD_MS), token_life_ms);
    await record?.(tx, rotation);
    return rotation;
  });
}

function rotationTo({ secret, signs_from_ms }: Secret, token_life_ms: number): Rotation {
  return {
    key_id: keyIdOf(secret),
    signs_from: new Date(signs_from_ms),
    previous_until: new Date(signs_from_ms + token_life_ms + LATE_RETRY_MS),
  };
}

/** Whether no token of a secret is taken any more: `next`, the one after it, has signed for long enough. */
function isRetired(next: Secret | undefined, token_life_ms: number, now_ms: number): boolean {
  return next !== undefined && next.signs_from_ms + token_life_ms + LATE_RETRY_MS < now_ms;
}

/** All secrets, newest first, and the time by the clock that their times are of. */
async function readSecrets(db: Db | Tx): Promise<{ secrets: Secret[]; now_ms: number }> {
  const rows = await db
    .selectFrom('token_secrets')
    .select(['id', 'secret', 'signs_from', sql<Date>`UTC_TIMESTAMP(3)`.as('now')])
    .orderBy('id', 'desc')
    .execute();
  const secrets = rows.map(({ id, secret, signs_from }) => ({ id, secret, signs_from_ms: signs_from?.getTime() ?? 0 }));
  return { secrets, now_ms: rows[0]?.now.getTime() ?? 0 };
}

async function insertSecret(db: Db | Tx, id: number, signs_from_ms: number | null): Promise<Secret> {
  const secret = randomBytes(32).toString('base64url');
  const signs_from = signs_from_ms === null ? null : new Date(signs_from_ms);
  await db.insertInto('token_secrets').values({ id, secret, signs_from }).execute();
  return { id, secret, signs_from_ms: signs_from_ms ?? 0 };
}
