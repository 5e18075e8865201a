import { reasonOf } from './context.ts';
import type { T } from './messages.ts';
import { saveFile } from './save-file.ts';
import { adminPath, headersOf, request, type Query, type Session } from './session.ts';

/**
 * Saves the orders of a filter as a file. A link cannot send the operator token, so the page reads
 * the answer; the browser keeps a large one on its disk.
 */
export async function saveCsv(session: Session, query: Query, t: T, notify: (message: string) => void): Promise<void> {
  notify(t('working'));
  try {
    const answer = await request(adminPath('orders.csv', query), { headers: headersOf(session) });
    const name = query['product_id'] === undefined ? 'orders.csv' : `orders-${query['product_id']}.csv`;
    saveFile(name, await answer.blob());
    notify(t('done', { what: name }));
  } catch (error) {
    // An answer that is cut in the middle is no file.
    notify(t('failed', { why: error instanceof TypeError ? error.message : reasonOf(error, t) }));
  }
}
