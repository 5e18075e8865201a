import type { Challenge, ShopperClient } from '../client/client.ts';
import type { PurchaseRecords } from './purchase-record.ts';
import type { SaleWatch } from './sale-watch.ts';

/** What a purchase, and each part of it, works with. */
export interface PurchaseOptions {
  readonly client: ShopperClient;
  readonly watch: SaleWatch;
  readonly records: PurchaseRecords;
  readonly solve: (challenge: Challenge, signal: AbortSignal) => Promise<string>;
  /** Leads the shopper to the page of the payment provider. */
  readonly leave: (url: string) => void;
}
