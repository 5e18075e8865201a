import { collectDefaultMetrics, Registry, type Metric } from 'prom-client';
import { apiMetrics } from './api-metrics.ts';
import { connectionMetrics } from './connection-metrics.ts';
import { roomMetrics } from './room-metrics.ts';
import { saleAndShardMetrics } from './sale-metrics.ts';
import { workerMetrics } from './worker-metrics.ts';

/**
 * The metrics of one process, served on its ops port in Prometheus's text format. A process serves
 * the metrics of its own kind and the common ones. The others exist only so that shared code need
 * not ask in which process it runs.
 */
export type Metrics = ReturnType<typeof createMetrics>;

export function createMetrics(name: 'api' | 'worker') {
  const registry = new Registry();
  registry.setDefaultLabels({ process: name });
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    ...apiMetrics(name === 'api' ? [registry] : []),
    ...workerMetrics(name === 'worker' ? [registry] : []),
    ...saleAndShardMetrics(name === 'worker' ? [registry] : []),
    ...roomMetrics({ api: name === 'api' ? [registry] : [], worker: name === 'worker' ? [registry] : [] }),
    ...connectionMetrics([registry]),
  };
}

/** One row of the generated metrics page. */
export interface MetricRow {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

/**
 * Every metric of the service by its source, for the docs. Those of the runtime are prom-client's
 * `collectDefaultMetrics`.
 */
export async function metricRows(): Promise<
  Readonly<Record<'api' | 'worker' | 'sales' | 'every' | 'runtime', MetricRow[]>>
> {
  const rowsOf = async (fill: (registry: Registry) => unknown): Promise<MetricRow[]> => {
    const registry = new Registry();
    fill(registry);
    return Promise.all(
      registry.getMetricsAsArray().map(async (listed) => {
        const metric = registry.getSingleMetric(listed.name)! as Metric & { readonly labelNames?: readonly string[] };
        const { name, type, help } = await metric.get();
        return { name, type: String(type), labels: metric.labelNames ?? [], help };
      }),
    );
  };
  return {
    api: await rowsOf((registry) => [apiMetrics([registry]), roomMetrics({ api: [registry], worker: [] })]),
    worker: await rowsOf((registry) => [workerMetrics([registry]), roomMetrics({ api: [], worker: [registry] })]),
    sales: await rowsOf((registry) => saleAndShardMetrics([registry])),
    every: await rowsOf((registry) => connectionMetrics([registry])),
    runtime: await rowsOf((registry) => collectDefaultMetrics({ register: registry })),
  };
}
