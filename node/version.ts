import { readFileSync } from 'node:fs';
import { ownFile } from './ownFile.ts';

export function version(): string {
  return (JSON.parse(readFileSync(ownFile('package.json') ?? '', 'utf8')) as { version: string }).version;
}
