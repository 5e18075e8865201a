import { Client } from '../load/client.ts';
import { openLoop } from '../load/open-loop.ts';
import { latencyFigures } from '../load/statistics.ts';
import { textTable } from '@flash-sale/shared/platform/process/text-table.ts';
import { audit } from '../scenarios/audit.ts';
import { newShoppers, openSale, orderNoOf, planBuys } from '../scenarios/sale.ts';
import { CONNECTIONS } from '../scenarios/scenario.ts';
import { memoryBytes } from '../stage/cpu.ts';
import { startStage, type Stage } from '../stage/stage.ts';

const PER_SECOND = 500;
const SLICES_MAX = 20;
const SLICE_MS_MIN = 5_000;
/**
 * The limit for memory and latency of the last quarter, relative to the second one. More is a
 * drift.
 */
const DRIFT = 1.25;
const MIB = 1_024 ** 2;

/** One slice: a sale of its own, audited. */
interface SliceRow {
  readonly orders: number;
  readonly api_mib: number;
  readonly worker_mib: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
}

/**
 * Steady load on api and worker. Returns 0 if neither memory nor latency drifts and every slice
 * conserves.
 */
export async function soak(dataDir: string, soakMs: number, progress: (line: string) => void): Promise<number> {
  const stage = await startStage({ dataDir, onlyApi: true });
  try {
    await stage.worker.start();
    const count = Math.max(4, Math.min(SLICES_MAX, Math.floor(soakMs / SLICE_MS_MIN)));
    const slices: SliceRow[] = [];
    for (let i = 0; i < count; i += 1) {
      const slice = await takeSlice(stage, soakMs / count);
      slices.push(slice);
      progress(
        `${slice.orders} orders, ${Object.entries(slice)
          .map(([name, value]) => `${name} ${value}`)
          .join(', ')}`,
      );
    }
    const drifts = driftsOf(slices);
    const rows = drifts.map(({ what, early, late, isDrift }) => [
      what,
      early.toFixed(1),
      late.toFixed(1),
      isDrift ? 'drifts' : 'flat',
    ]);
    process.stdout.write(`\n${textTable([['', 'second quarter', 'last quarter', ''], ...rows])}\n`);
    return drifts.some(({ isDrift }) => isDrift) ? 1 : 0;
  } finally {
    await stage.close();
  }
}

/** Compares the second quarter of the slices with the last one. The first is warm-up. */
export function driftsOf(slices: readonly SliceRow[]) {
  const quarter = Math.floor(slices.length / 4);
  const mean = (from: number, name: keyof SliceRow): number =>
    slices.slice(from, from + quarter).reduce((sum, slice) => sum + slice[name], 0) / quarter;
  return (['api_mib', 'worker_mib', 'p50_ms'] as const).map((what) => {
    const [early, late] = [mean(quarter, what), mean(slices.length - quarter, what)];
    return { what, early, late, isDrift: late > early * DRIFT };
  });
}

async function takeSlice(stage: Stage, sliceMs: number): Promise<SliceRow> {
  const count = Math.ceil((PER_SECOND * sliceMs) / 1_000);
  const sale = await openSale(stage.api, stage.operatorToken, count);
  const requests = await planBuys(stage.api, sale, newShoppers(count));
  const client = new Client([stage.api], CONNECTIONS);
  const accepted: string[] = [];
  const { latenciesMs } = await openLoop({
    perSecond: PER_SECOND,
    count,
    send: (index) => client.call(requests[index]!),
    onAnswer: (_index, { body }) => {
      const orderNo = orderNoOf(body);
      if (orderNo !== undefined) accepted.push(orderNo);
    },
  });
  await client.close();
  await audit(stage, sale, accepted);
  const { p50_ms: p50Ms, p99_ms: p99Ms } = latencyFigures(latenciesMs);
  const mib = (pid: number | undefined): number => Math.round((memoryBytes(pid) ?? Number.NaN) / MIB);
  return {
    orders: accepted.length,
    api_mib: mib(stage.pids.api),
    worker_mib: mib(stage.worker.pid()),
    p50_ms: Math.round(p50Ms * 10) / 10,
    p99_ms: Math.round(p99Ms * 10) / 10,
  };
}
