import * as echarts from 'echarts';
import { figure, ratio, type ResultsJson, type Spread } from './results.ts';

type Option = echarts.EChartsOption;

const COLOURS = ['#2563eb', '#94a3b8', '#0d9488', '#d97706', '#9333ea'];
const FONT = 'system-ui, sans-serif';

function svg(width: number, height: number, option: Option): string {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
  // White, so that it is readable on a dark page too.
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    color: COLOURS,
    textStyle: { fontFamily: FONT },
    ...option,
  });
  const text = chart.renderToSVGString();
  chart.dispose();
  return `${text}\n`;
}

const BARS = [
  { name: 'bare Fastify route (ceiling)', of: 'bare.per_second', kind: 'compared' },
  { name: 'seckill tokens', of: 'tokens.per_second', kind: 'ours' },
  { name: 'refused, sold out', of: 'sold_out.per_second', kind: 'ours' },
  { name: 'accepted', of: 'accept.per_second', kind: 'ours' },
  { name: 'accepted and written', of: 'end_to_end.per_second', kind: 'ours' },
  { name: 'usual: accepted', of: 'usual_accept.per_second', kind: 'compared' },
  { name: 'usual: accepted and written', of: 'usual_end_to_end.per_second', kind: 'compared' },
] as const;

/** Rates side by side, each also as a share of `bare`. */
export function throughputChart(results: ResultsJson): string {
  const rows = BARS.flatMap(({ name, of, kind }) => {
    const spread = figure(results, of);
    const share = ratio(results, { of, to: 'bare.per_second' });
    return spread === undefined ? [] : [{ name, kind, value: Math.round(spread.median), share: share?.median }];
  }).toReversed();
  return svg(820, 60 + rows.length * 46, {
    title: { text: 'Requests per second', left: 12, top: 8, textStyle: { fontSize: 15 } },
    grid: { left: 210, right: 130, top: 44, bottom: 16 },
    xAxis: { type: 'value', axisLabel: { show: false }, splitLine: { show: false } },
    yAxis: {
      type: 'category',
      data: rows.map(({ name }) => name),
      axisTick: { show: false },
      axisLabel: { fontSize: 13 },
    },
    series: [
      {
        type: 'bar',
        barWidth: 24,
        data: rows.map(({ value, kind, share }) => ({
          value,
          itemStyle: { color: kind === 'ours' ? COLOURS[0]! : COLOURS[1]! },
          label: {
            show: true,
            position: 'right',
            formatter: `${value.toLocaleString('en')}${share === undefined ? '' : `  (${share.toFixed(2)} × bare)`}`,
          },
        })),
      },
    ],
  });
}

const LATENCIES = [
  { name: 'buy', of: 'half_load_buy' },
  { name: '202 to row', of: 'half_load_row' },
] as const;
const PERCENTILES = ['p50_ms', 'p90_ms', 'p99_ms'] as const;

/** Latency at half of the rate of `end_to_end`. */
export function latencyChart(results: ResultsJson): string {
  return svg(820, 320, {
    title: { text: 'Latency at half of the sustained rate, ms', left: 12, top: 8, textStyle: { fontSize: 15 } },
    legend: { top: 10, right: 16 },
    grid: { left: 60, right: 24, top: 56, bottom: 32 },
    xAxis: { type: 'category', data: ['p50', 'p90', 'p99'] },
    yAxis: { type: 'value' },
    series: LATENCIES.map(({ name, of }) => ({
      name,
      type: 'bar' as const,
      data: PERCENTILES.map((percentile) => rounded(figure(results, `${of}.${percentile}`))),
      label: { show: true, position: 'top' as const },
    })),
  });
}

const rounded = (spread: Spread | undefined): number | null =>
  spread === undefined ? null : Math.round(spread.median * 10) / 10;

/** A curve over a growing size: `points` of size and cost. A chart has several curves. */
export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

export function growthChart(title: string, unit: string, curves: readonly Curve[]): string {
  return svg(820, 320, {
    title: { text: title, left: 12, top: 8, textStyle: { fontSize: 15 } },
    legend: { top: 10, right: 16 },
    grid: { left: 60, right: 32, top: 56, bottom: 44 },
    xAxis: { type: 'log', name: 'number', nameLocation: 'middle', nameGap: 28 },
    yAxis: { type: 'value', min: 0, name: unit },
    series: curves.map(({ name, points }) => ({
      name,
      type: 'line' as const,
      symbolSize: 7,
      data: points.map(([x, y]) => [x, y]),
    })),
  });
}
