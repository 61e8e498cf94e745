/** `strftime_now(format)`: the time of rendering, as Python's `strftime` writes it in the C locale. */
import { NotExact } from './failures.ts';

const MONTHS = ['January', 'February', 'March', 'April', 'May', 'June', 'July', 'August', 'September', 'October', 'November', 'December'];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** @throws NotExact for a directive that is not known */
export function strftime(now: Date, format: string): string {
  return format.replace(/%(-?)([\s\S]|$)/gu, (directive, dash: string, letter: string) => {
    const [value, width] = FIELDS[letter]?.(now) ?? [undefined, 0];
    if (value === undefined || (dash !== '' && typeof value === 'string'))
      throw new NotExact(`strftime_now with ${directive} is not supported`);
    return typeof value === 'string' ? value : String(value).padStart(dash === '' ? width : 0, '0');
  });
}

type Field = readonly [value: string | number, width: number];
const name = (value: string | undefined): Field => [value ?? '', 0];

const FIELDS: Readonly<Record<string, ((now: Date) => Field) | undefined>> = {
  Y: (now) => [now.getFullYear(), 4],
  y: (now) => [now.getFullYear() % 100, 2],
  m: (now) => [now.getMonth() + 1, 2],
  d: (now) => [now.getDate(), 2],
  H: (now) => [now.getHours(), 2],
  I: (now) => [now.getHours() % 12 || 12, 2],
  M: (now) => [now.getMinutes(), 2],
  S: (now) => [now.getSeconds(), 2],
  j: (now) => [dayOfYear(now), 3],
  B: (now) => name(MONTHS[now.getMonth()]),
  b: (now) => name(MONTHS[now.getMonth()]?.slice(0, 3)),
  A: (now) => name(DAYS[now.getDay()]),
  a: (now) => name(DAYS[now.getDay()]?.slice(0, 3)),
  p: (now) => name(now.getHours() < 12 ? 'AM' : 'PM'),
  F: (now) => name(strftime(now, '%Y-%m-%d')),
  T: (now) => name(strftime(now, '%H:%M:%S')),
  '%': () => name('%'),
};

function dayOfYear(now: Date): number {
  return Math.round((Date.UTC(now.getFullYear(), now.getMonth(), now.getDate()) - Date.UTC(now.getFullYear(), 0, 0)) / 86_400_000);
}
