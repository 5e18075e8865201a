import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { html } from '../ui/html.ts';
import { useConsole } from './context.ts';
import { SECONDS_SHOWN, type Point } from './figures.ts';
import { numberText } from './format.ts';

const HEIGHT_PX = 180;

/** Of each line: its field, and the place of its colour in the style sheet. */
export type Line = Exclude<keyof Point, 'time'>;

interface ChartProps {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly points: readonly Point[];
}

/**
 * Lines over the last two minutes. The figures of now stand beside it as text, for those who do not
 * see it.
 */
export function Chart({ title, lines, points }: ChartProps) {
  const { t, locale } = useConsole();
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);

  useEffect(() => {
    const element = place.current!;
    // A canvas needs the colour that the style sheet means, not its formula.
    const colour = (name: string): string => {
      element.style.color = `var(${name})`;
      return getComputedStyle(element).color;
    };
    const clock = new Intl.DateTimeFormat(locale, { timeStyle: 'medium' });
    const timeTexts = (_: uPlot, times: number[]): string[] => times.map((time) => clock.format(time * 1_000));
    const axis = { stroke: colour('--text'), grid: { stroke: colour('--line'), width: 1 } };
    const width = (): number => Math.max(200, element.clientWidth);
    plot.current = new uPlot(
      {
        width: width(),
        height: HEIGHT_PX,
        legend: { show: false },
        cursor: { show: false },
        // Always two minutes wide.
        scales: {
          x: { range: (_, _min, max) => [max - SECONDS_SHOWN, max] },
          y: { range: (_, _min, max) => [0, Math.max(1, max * 1.1)] },
        },
        axes: [
          { ...axis, values: timeTexts, space: 100 },
          { ...axis, size: 60 },
        ],
        series: [{}, ...lines.map((line) => ({ stroke: colour(`--chart-${line}`), width: 2 }))],
      },
      dataOf(points, lines),
      element,
    );
    const resized = new ResizeObserver(() => plot.current?.setSize({ width: width(), height: HEIGHT_PX }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.current?.destroy();
    };
  }, [locale]);

  const latest = points.at(-1);
  useEffect(() => plot.current?.setData(dataOf(points, lines)), [latest]);

  return html`
    <figure class="chart">
      <figcaption>
        <span class="title">${title}</span>
        ${lines.map(
          (line) => html`
            <span class=${`key ${line}`}>
              ${t(line)} <b data-figure=${line}>${numberText(latest?.[line], locale, 1)}</b>
            </span>
          `,
        )}
      </figcaption>
      <div ref=${place} class="plot" aria-hidden="true"></div>
    </figure>
  `;
}

function dataOf(points: readonly Point[], lines: readonly Line[]): uPlot.AlignedData {
  const nowS = points.at(-1)?.time ?? Date.now() / 1_000;
  const shown = points.filter(({ time }) => time > nowS - SECONDS_SHOWN);
  return [shown.map(({ time }) => time), ...lines.map((line) => shown.map((point) => point[line]))];
}
