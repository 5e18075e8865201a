import { setTimeout as pause } from 'node:timers/promises';
import { plainManners, Shopper } from '../shopper.ts';
import type { Fault } from './fault.ts';

const SHOPPERS = 160;
const EARLY_MS = 1_500;
const OPEN_MS = 2_000;
/** Buys are spread by this time to both sides of an edge. */
const SPREAD_MS = 150;

/**
 * An additional sale that opens and closes in this round. All shoppers buy around its start and its
 * end.
 */
export const clockEdges: Fault = {
  name: 'clock_edges',
  what: 'bursts of buys just before and after the start and the end of a short sale',
  isLong: true,
  async run(stage) {
    const { client, random, openSale } = stage.deps;
    const startMs = Date.now() + EARLY_MS;
    const endMs = startMs + OPEN_MS;
    // More units than shoppers, so that only the clock refuses.
    const sale = await openSale({ units: 2 * SHOPPERS, units_per_shopper: 1, start_ms: startMs, end_ms: endMs });
    const closing = AbortSignal.timeout(EARLY_MS + OPEN_MS + 3_000);

    const visit = async (index: number): Promise<void> => {
      const own = random.part(`edge-${index}`);
      const shopper = new Shopper(
        `edge-${index}`,
        sale,
        { ...plainManners, polls: false },
        {
          client,
          random: own,
          closing,
          lastToken: {},
        },
      );
      const token = await shopper.token();
      if (token === undefined) return;
      const timesMs = [startMs, endMs].map((edge) => edge + (own.next() * 2 - 1) * SPREAD_MS);
      for (const timeMs of index % 2 === 0 ? timesMs : timesMs.slice(1)) {
        await pause(Math.max(0, timeMs - Date.now()));
        if (Math.abs(Date.now() - startMs) < SPREAD_MS && client.buysInFlight > 0) stage.strikes();
        const answer = await shopper.buy(token, index);
        if (answer?.status === 202) return;
      }
    };
    await Promise.all(Array.from({ length: SHOPPERS }, (_, index) => visit(index)));
  },
};
