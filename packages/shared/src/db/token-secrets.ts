import { randomBytes } from 'node:crypto';
import type { Db } from './client.ts';
import { isDuplicate } from './errors.ts';

const ONLY_ROW = 1;

/**
 * The secret of seckill tokens that all api processes share where none is configured: made by whoever comes first, then
 * kept in MySQL.
 */
export async function sharedTokenSecret(db: Db): Promise<string> {
  const read = () => db.selectFrom('token_secrets').select('secret').where('id', '=', ONLY_ROW).executeTakeFirst();
  const found = await read();
  if (found !== undefined) return found.secret;
  const secret = randomBytes(32).toString('base64url');
  try {
    await db.insertInto('token_secrets').values({ id: ONLY_ROW, secret }).execute();
    return secret;
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    return (await read())!.secret;
  }
}
