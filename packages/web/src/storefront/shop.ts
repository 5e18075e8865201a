import { browserMemory } from '../ui/memory.ts';
import { Purchase } from './purchase.ts';
import { purchaseRecords } from './purchase-record.ts';
import { SaleWatch } from './sale-watch.ts';
import type { Session, Sessions, StorefrontSettings } from './session.ts';
import { solveInWorker } from './solve.ts';

/** What the pages of the storefront share. */
export interface Shop {
  readonly settings: StorefrontSettings;
  readonly sessions: Sessions;
  watchOf(productId: number): SaleWatch;
  /** Goes on while another page is shown: a shopper may wait for several sales. */
  purchaseOf(session: Session, productId: number): Purchase;
  /** Shows an order of another device on the page of its sale. */
  rememberOrder(session: Session, productId: number, orderNo: string): void;
}

export function createShop(settings: StorefrontSettings, sessions: Sessions): Shop {
  const memory = browserMemory(() => localStorage);
  const watches = new Map<number, SaleWatch>();
  const purchases = new Map<number, Purchase>();
  let owner: Session | undefined;

  const watchOf = (productId: number): SaleWatch => {
    const watch = watches.get(productId) ?? new SaleWatch(sessions.anyone, productId);
    watches.set(productId, watch);
    return watch;
  };

  /** Purchases belong to one shopper, and use its credential. */
  const disposeOthers = (): void => {
    if (sessions.current.get() === owner) return;
    for (const purchase of purchases.values()) purchase.dispose();
    purchases.clear();
    owner = sessions.current.get();
  };
  sessions.current.subscribe(disposeOthers);
  disposeOthers();

  return {
    settings,
    sessions,
    watchOf,
    purchaseOf(session, productId) {
      const known = purchases.get(productId);
      if (known !== undefined) return known;
      const purchase = new Purchase({
        client: session.client,
        watch: watchOf(productId),
        records: purchaseRecords(memory, session.userId, productId),
        solve: solveInWorker,
        leave: (url) => location.assign(url),
      });
      purchases.set(productId, purchase);
      return purchase;
    },
    rememberOrder(session, productId, orderNo) {
      const records = purchaseRecords(memory, session.userId, productId);
      if (records.read().orderNo === orderNo) return;
      records.change({ orderNo, wants: undefined, payingUntilMs: undefined });
      purchases.get(productId)?.dispose();
      purchases.delete(productId);
    },
  };
}
