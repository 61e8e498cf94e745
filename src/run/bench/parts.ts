import { errorText } from '../../platform.ts';
/** The bench's time: a part gets its share and what the parts before it left, and says by name what did not fit. */

export interface Figure {
  part: string;
  what: string;
  ms: number;
  /** Work a second, in `unit`. */
  rate?: number;
  unit?: 'TFLOP/s' | 'tokens/s';
  /** How, in words: the plan, the storage. */
  by?: string;
  /** Beside the rate: of the usual plan, bytes at the peak, parameters. */
  more?: Readonly<Record<string, number | string>>;
}

export interface Part {
  /** Whether something that takes about so long still fits, s; where not, it is noted as left out. */
  fits(what: string, seconds?: number): boolean;
  secondsLeft(): number;
  figure(figure: Omit<Figure, 'part'>): void;
  /** A sentence for the reader. */
  note(text: string): void;
  /** Something is wrong: the bench goes on and ends with a status of failure. */
  fail(text: string): void;
}

export interface BenchReport {
  figures: Figure[];
  notes: string[];
  leftOut: string[];
  failures: string[];
  seconds: Record<string, number>;
}

export interface PartPlan {
  name: string;
  /** Share of the whole time. */
  share: number;
  run(part: Part): Promise<void>;
}

export interface BenchClock {
  seconds: number;
  now(): number;
  stop: AbortSignal;
  say(line: string): void;
}

/** Runs the parts in their order; an error ends its part alone. */
export async function runParts(plans: readonly PartPlan[], { seconds, now, stop, say }: BenchClock): Promise<BenchReport> {
  const report: BenchReport = { figures: [], notes: [], leftOut: [], failures: [], seconds: {} };
  const began = now();
  const total = plans.reduce((sum, { share }) => sum + share, 0);
  let shares = 0;
  for (const { name, share, run } of plans) {
    shares += share;
    const end = began + (seconds * 1000 * shares) / total;
    const partBegan = now();
    const secondsLeft = (): number => (end - now()) / 1000;
    say(`\n${name}`);
    const fail = (text: string): void => {
      report.failures.push(`${name}: ${text}`);
      say(`  ✗ ${text}`);
    };
    const part: Part = {
      secondsLeft,
      fail,
      fits(what, needed = 0) {
        if (!stop.aborted && secondsLeft() > needed) return true;
        report.leftOut.push(`${name}: ${what}`);
        return false;
      },
      figure(figure) {
        report.figures.push({ part: name, ...figure });
        say(figureLine(figure));
      },
      note(text) {
        report.notes.push(`${name}: ${text}`);
        say(`  ${text}`);
      },
    };
    try {
      if (part.fits('all of it')) await run(part);
    } catch (error) {
      fail(errorText(error));
    }
    report.seconds[name] = (now() - partBegan) / 1000;
  }
  return report;
}

export function shortNumber(value: number): string {
  return value >= 1000 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toPrecision(3);
}

export function figureLine({ what, ms, rate, unit, by }: Omit<Figure, 'part'>): string {
  const speed = rate === undefined ? '' : ` ${shortNumber(rate).padStart(8)} ${unit ?? ''}`;
  return `  ${what.padEnd(58)} ${shortNumber(ms).padStart(8)} ms${speed}${by === undefined ? '' : `  ${by}`}`;
}
