import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { keyIdOf } from './seckill-token.ts';
import type { Db, Tx } from '../platform/mysql/client.ts';
import { isDuplicate } from '../platform/mysql/errors.ts';

const FIRST = 1;
/**
 * How long a new secret only verifies, so that every api process knows it before it signs the first
 * token.
 */
const SPREAD_MS = 1_500;
/**
 * How long a secret still verifies after the life of its last token, so that a late retry finds its
 * order.
 */
const LATE_RETRY_MS = 600_000;

/** A rotation of the secrets. */
export interface Rotation {
  /** The prefix of the new secret's tokens. */
  readonly keyId: string;
  readonly signsFrom: Date;
  /** Until when tokens of the previous secret are accepted. */
  readonly previousUntil: Date;
}

interface Secret {
  readonly id: number;
  readonly secret: string;
  readonly signsFromMs: number;
}

/**
 * The first secret that all processes share. The first process creates it in MySQL. The payment
 * sandbox signs with it, so it is never deleted.
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
 * The seckill token secrets that all api processes share if none are configured, for
 * `SeckillTokens`: the one that signs, then all others that verify.
 *
 * @param tokenLifeMs how long seckill tokens live
 */
export async function sharedTokenSecrets(db: Db, tokenLifeMs: number): Promise<[string, ...string[]]> {
  return (await readTokenSecrets(db, tokenLifeMs)).secrets;
}

/** Like `sharedTokenSecrets`, with a version that each rotation raises. */
export async function readTokenSecrets(
  db: Db,
  tokenLifeMs: number,
): Promise<{ secrets: [string, ...string[]]; version: number }> {
  await sharedTokenSecret(db);
  const { secrets, nowMs } = await readSecrets(db);
  const verifying = secrets.filter((_, i) => !isRetired(secrets[i - 1], tokenLifeMs, nowMs));
  const signer = verifying.find(({ signsFromMs }) => signsFromMs <= nowMs) ?? verifying.at(-1)!;
  const others = verifying.filter(({ id }) => id !== signer.id);
  return { secrets: [signer.secret, ...others.map(({ secret }) => secret)], version: secrets[0]!.id };
}

/**
 * Creates a new secret, which begins to sign after a short delay. A repeat within that delay
 * returns the rotation in progress. `record` is called in the transaction of a new rotation.
 */
export async function rotateTokenSecrets(
  db: Db,
  tokenLifeMs: number,
  record?: (tx: Tx, rotation: Rotation) => Promise<void>,
): Promise<Rotation> {
  // Create the first secret if no token was signed yet, so that the rotation has one to replace.
  await sharedTokenSecret(db);
  // Each statement must see the newest commit, so that a caller that waited for the lock finds the
  // other's rotation.
  const transaction = db.transaction().setIsolationLevel('read committed');
  return transaction.execute(async (tx) => {
    await tx.selectFrom('token_secrets').select('id').where('id', '=', FIRST).forUpdate().execute();
    const { secrets, nowMs } = await readSecrets(tx);
    const newest = secrets[0]!;
    if (newest.signsFromMs > nowMs) return rotationTo(newest, tokenLifeMs);
    const retired = secrets.filter((_, i) => isRetired(secrets[i - 1], tokenLifeMs, nowMs));
    const ids = retired.map(({ id }) => id).filter((id) => id !== FIRST);
    if (ids.length > 0) await tx.deleteFrom('token_secrets').where('id', 'in', ids).execute();
    const rotation = rotationTo(await insertSecret(tx, newest.id + 1, nowMs + SPREAD_MS), tokenLifeMs);
    await record?.(tx, rotation);
    return rotation;
  });
}

function rotationTo({ secret, signsFromMs }: Secret, tokenLifeMs: number): Rotation {
  return {
    keyId: keyIdOf(secret),
    signsFrom: new Date(signsFromMs),
    previousUntil: new Date(signsFromMs + tokenLifeMs + LATE_RETRY_MS),
  };
}

/**
 * Whether no token of a secret is accepted any more: the next secret, `next`, has signed for long
 * enough.
 */
function isRetired(next: Secret | undefined, tokenLifeMs: number, nowMs: number): boolean {
  return next !== undefined && next.signsFromMs + tokenLifeMs + LATE_RETRY_MS < nowMs;
}

/**
 * All secrets, newest first, with the present time by the ledger's clock, which also set their
 * times.
 */
async function readSecrets(db: Db | Tx): Promise<{ secrets: Secret[]; nowMs: number }> {
  const rows = await db
    .selectFrom('token_secrets')
    .select(['id', 'secret', 'signs_from', sql<Date>`UTC_TIMESTAMP(3)`.as('now')])
    .orderBy('id', 'desc')
    .execute();
  const secrets = rows.map(({ id, secret, signs_from: signsFrom }) => ({
    id,
    secret,
    signsFromMs: signsFrom?.getTime() ?? 0,
  }));
  return { secrets, nowMs: rows[0]?.now.getTime() ?? 0 };
}

async function insertSecret(db: Db | Tx, id: number, signsFromMs: number | null): Promise<Secret> {
  const secret = randomBytes(32).toString('base64url');
  const signsFrom = signsFromMs === null ? null : new Date(signsFromMs);
  await db.insertInto('token_secrets').values({ id, secret, signs_from: signsFrom }).execute();
  return { id, secret, signsFromMs: signsFromMs ?? 0 };
}
