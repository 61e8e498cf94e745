/** What answers measure, number by number: the true and the predicted value, its name and its unit. */
import type { ScoredRow } from '../../data/medvision/answerRows.ts';
import { unitSign } from '../../data/medvision/units.ts';
import type { Pair } from './agreement.ts';

export type Kind = 'box' | 'distance' | 'angle' | 'measure' | 'ellipse';

/** What a row asks for; `measure`: a distance or an angle, it is not said which. Undefined for rows that are no MedVision task. */
export function kindOf({ asked, doc }: Pick<ScoredRow, 'asked' | 'doc'>): Kind | undefined {
  switch (asked?.taskType) {
    case undefined:
      return undefined;
    case 'BoxSize':
      return 'box';
    case 'TumorLesionSize':
      return 'ellipse';
    case 'BiometricsFromLandmarks': {
      const said = String(profileOf(doc)['metric_type'] ?? /_(Distance|Angle)_/.exec(asked.task)?.[1] ?? '').toLowerCase();
      return said === 'distance' || said === 'angle' ? said : 'measure';
    }
  }
}

export const KIND_WORDS: Readonly<Record<Kind, string>> = {
  box: 'Detection',
  distance: 'Distance',
  angle: 'Angle',
  measure: 'Angle or distance',
  ellipse: 'Size',
};

function profileOf(doc: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const profile = doc['biometric_profile'];
  return typeof profile === 'object' && profile !== null ? (profile as Record<string, unknown>) : {};
}

/** As the plan's record says it, or else the question; "" where neither does. */
export function unitOf({ doc, prompt }: Pick<ScoredRow, 'doc' | 'prompt'>): string {
  const asked = /\bin (mm|cm|millimet(?:er|re)s?|centimet(?:er|re)s?|degrees?)\b/i.exec(prompt)?.[1];
  const said = profileOf(doc)['metric_unit'] ?? asked;
  return typeof said === 'string' ? unitSign(said) : '';
}

/** "1.23 mm", "1.23°"; the bare number where no unit is known. */
export function withUnit(value: number, unit: string): string {
  const size = Math.abs(value);
  const number = !Number.isFinite(value) ? '–' : size >= 1e6 ? value.toExponential(2) : value.toFixed(size >= 100 ? 1 : 2);
  const text = number.replace(/^-/, '−');
  return unit === '' ? text : unit === '°' ? `${text}°` : `${text} ${unit}`;
}

/** All pairs of one measure. */
export interface MeasureSet {
  name: string;
  unit: string;
  pairs: Pair[];
  /** Answers that no number could be read from. */
  unread: number;
}

const ORDER = ['Distance', 'Angle', 'Angle or distance', 'Major axis', 'Minor axis'];

/** Lengths and angles of all rows, by name and unit. Boxes are no measure: their overlap is looked at instead. */
export function measureSets(rows: readonly ScoredRow[]): MeasureSet[] {
  const sets = new Map<string, MeasureSet>();
  for (const row of rows) {
    const kind = kindOf(row);
    if (kind === undefined || kind === 'box' || !row.asked || !row.score) continue;
    const unit = unitOf(row);
    const names = kind === 'ellipse' ? ['Major axis', 'Minor axis'] : [KIND_WORDS[kind]];
    for (const [i, name] of names.entries()) {
      const set = sets.get(`${name} ${unit}`) ?? { name, unit, pairs: [], unread: 0 };
      sets.set(`${name} ${unit}`, set);
      const pair = { truth: row.asked.values[i] ?? NaN, predicted: row.score.values[i] ?? NaN };
      if (Number.isFinite(pair.truth) && Number.isFinite(pair.predicted)) set.pairs.push(pair);
      else set.unread++;
    }
  }
  return [...sets.values()].sort((a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name) || (a.unit < b.unit ? -1 : 1));
}
