import type { Console } from './context.ts';
import { reasonOf } from './context.ts';
import { adminPath, type Query } from './session.ts';
import type { Download } from '../client/operator-types.ts';

/**
 * Lets the browser download the orders of a filter: it writes the file while it arrives, however
 * large. It sends no operator token with an address, so the page gets an address that is good for
 * one download.
 */
export async function downloadCsv({ call, t, notify }: Console, query: Query): Promise<void> {
  try {
    const { id } = await call<Download>('POST', 'downloads', { query });
    const link = document.createElement('a');
    link.href = adminPath(`downloads/${id}`);
    // If the download is refused, the browser says so and stays on this page.
    link.download = '';
    link.click();
    notify(t('orders.downloading'));
  } catch (error) {
    notify(t('failed', { why: reasonOf(error, t) }));
  }
}
