import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '../../monitoring/grafana/dashboards');

/** The parts of a Grafana dashboard that this code reads. */
export interface Dashboard {
  readonly file: string;
  readonly uid: string;
  readonly title: string;
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition: string }[] };
  readonly panels: readonly Panel[];
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

/** One query of a panel, in the form in which Grafana sends it for all sales and processes. */
export interface PanelQuery {
  readonly dashboard: string;
  readonly panel: string;
  readonly expr: string;
}

export function readDashboards(): Dashboard[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.json'))
    .map((file) => ({ file, ...(JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Omit<Dashboard, 'file'>) }));
}

/** @param rateInterval the value of `$__rate_interval`, such as `20s` */
export function queriesOf(dashboards: readonly Dashboard[], rateInterval: string): PanelQuery[] {
  return dashboards.flatMap(({ title: dashboard, panels }) =>
    panels.flatMap(({ title: panel, targets = [] }) =>
      targets.map(({ expr }) => ({
        dashboard,
        panel,
        expr: expr.replaceAll('$__rate_interval', rateInterval).replaceAll(/\$(sale|instance)\b/g, '.*'),
      })),
    ),
  );
}
