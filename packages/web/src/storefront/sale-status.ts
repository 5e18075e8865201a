import type { Product } from '../client/client.ts';
import type { MessageKey } from './messages.ts';

/** The word for each status of a sale. */
export const SALE_STATUS_TEXTS: Readonly<Record<Product['status'], MessageKey>> = {
  not_ready: 'statusNotReady',
  scheduled: 'statusScheduled',
  open: 'statusOpen',
  paused: 'statusPaused',
  sold_out: 'statusSoldOut',
  ended: 'statusEnded',
};

/** The status by the service's clock now, for a reading that may be some seconds old. */
export function statusNow({ status, start_time: start, end_time: end }: Product, nowMs: number): Product['status'] {
  if (nowMs >= Date.parse(end)) return 'ended';
  if (status === 'scheduled' && nowMs >= Date.parse(start)) return 'open';
  return status;
}

/** The group of a sale in the list. */
export function groupOf(status: Product['status']): 'running' | 'coming' | 'over' {
  if (status === 'ended') return 'over';
  return status === 'scheduled' ? 'coming' : 'running';
}
