/** A run's figures over its steps, drawn anew at most ten times a second, and the same as a table. */
import type { JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import type { LogRow } from '../../src/train/checkpointFolder.ts';
import { texts } from '../texts.ts';
import { axisNumbers, roomAround } from './axes.ts';
import { chartsOf, figureTable } from './curveData.ts';
import type { ChartData } from './curveData.ts';
import './curves.css';

/** @param rows of figures, oldest first, as a run's log has them */
export function Curves({ rows: given }: { rows: readonly LogRow[] }): JSX.Element {
  const rows = useSlowly(given);
  const charts = useMemo(() => chartsOf(rows), [rows]);
  if (charts.length === 0) return <p class="soft">{texts.curves.none}</p>;
  return (
    <div class="curves">
      <div class="charts">
        {charts.map((chart) => (
          // Other curves are another chart: uPlot keeps those that it was made with.
          <Chart key={`${chart.title} ${chart.curves.map(({ name, look }) => `${name} ${look}`).join()}`} chart={chart} />
        ))}
      </div>
      <FigureRows rows={rows} />
    </div>
  );
}

const REDRAW_MS = 100;

/** The value, following at most ten times a second. */
function useSlowly<T>(value: T): T {
  const [shown, show] = useState(value);
  const state = useRef<{ at: number; timer: ReturnType<typeof setTimeout> | undefined; latest: T }>({
    at: 0,
    timer: undefined,
    latest: value,
  });
  const { current } = state;
  current.latest = value;
  useEffect(() => {
    current.timer ??= setTimeout(
      () => {
        current.timer = undefined;
        current.at = performance.now();
        show(() => current.latest);
      },
      Math.max(0, current.at + REDRAW_MS - performance.now()),
    );
  }, [value]);
  useEffect(() => () => clearTimeout(current.timer), []);
  return shown;
}

/** Okabe and Ito's, which the colour-blind tell apart, on light and on dark. */
const COLORS = {
  light: ['#0072b2', '#d55e00', '#009e73', '#a3488b', '#7a6a00'],
  dark: ['#56b4e9', '#e69f00', '#35d0a5', '#cc79a7', '#f0e442'],
} as const;
const HEIGHT = 240;

function Chart({ chart }: { chart: ChartData }): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const isDark = useDark();
  useEffect(() => {
    const element = place.current!;
    const made = new uPlot(optionsOf(chart, element.clientWidth, isDark), dataOf(chart), element);
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [isDark]);
  useEffect(() => plot.current?.setData(dataOf(chart)), [chart]);
  const words = texts.curves.shown(chart.title, Math.round(chart.steps[0] ?? 0), Math.round(chart.steps.at(-1) ?? 0));
  return (
    <figure class="card chart">
      <figcaption>{chart.title}</figcaption>
      <div ref={place} role="img" aria-label={words} />
    </figure>
  );
}

const dataOf = ({ steps, values }: ChartData): uPlot.AlignedData => [steps, ...values];

function optionsOf({ curves }: ChartData, width: number, isDark: boolean): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const own = (name: string): string => style.getPropertyValue(name).trim();
  const colors = COLORS[isDark ? 'dark' : 'light'];
  const axis: uPlot.Axis = {
    stroke: own('--soft'),
    grid: { stroke: own('--line'), width: 1 },
    ticks: { stroke: own('--line'), width: 1 },
  };
  return {
    width,
    height: HEIGHT,
    scales: {
      x: { time: false, range: (_, low, high) => (low === high ? [low, low + 1] : [low, high]) },
      y: { range: (_, low, high) => roomAround(low, high) ?? uPlot.rangeNum(low, high, 0.1, true) },
    },
    legend: { live: false },
    cursor: { y: false },
    axes: [
      { ...axis, label: texts.curves.step, labelSize: 20, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000] },
      { ...axis, size: 64, values: (_, splits) => axisNumbers(splits) },
    ],
    series: [
      { label: texts.curves.step },
      ...curves.map(({ name, look, color }): uPlot.Series => {
        const stroke = colors[color % colors.length]!;
        return {
          label: name,
          stroke: look === 'faint' ? `${stroke}66` : stroke,
          width: look === 'faint' ? 1 : 2,
          spanGaps: true,
          points: { show: look === 'marked', size: 6 },
        };
      }),
    ],
  };
}

function useDark(): boolean {
  const [isDark, set] = useState(() => matchMedia('(prefers-color-scheme: dark)').matches);
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const hear = (): void => set(query.matches);
    query.addEventListener('change', hear);
    return () => query.removeEventListener('change', hear);
  }, []);
  return isDark;
}

function FigureRows({ rows }: { rows: readonly LogRow[] }): JSX.Element {
  const [isOpen, open] = useState(false);
  return (
    <details onToggle={(event) => open(event.currentTarget.open)}>
      <summary>{texts.curves.asTable}</summary>
      {isOpen && <Table rows={rows} />}
    </details>
  );
}

function Table({ rows }: { rows: readonly LogRow[] }): JSX.Element {
  const { heads, rows: lines, count } = figureTable(rows);
  return (
    // A region that scrolls has to be reached by the keyboard.
    <div class="scroll figures" tabIndex={0} role="region" aria-label={texts.curves.asTable}>
      <table>
        <caption class="soft">{texts.curves.tableOf(lines.length, count)}</caption>
        <thead>
          <tr>
            <th scope="col">{texts.curves.step}</th>
            {heads.map((head) => (
              <th key={head} scope="col" class="number">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {lines.map(([step, ...values]) => (
            <tr key={step}>
              <th scope="row">{step}</th>
              {values.map((value, i) => (
                <td key={heads[i]} class="number">
                  {value === undefined ? '–' : String(Number(value.toPrecision(5)))}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
