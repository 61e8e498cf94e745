#!/usr/bin/env bash
# @itk-wasm/image-io 1.6.1 (ITK, GDCM): the slope of the first frame of an enhanced DICOM object is taken for all of them.
# Expected: of frames that all hold 100, with RescaleSlope 1, 2 and 0.25 in their own Pixel Value Transformation (PS3.3, C.7.6.16.2.9): 100, 200 and 25.
# Seen: 100, 100 and 100; with 2 in the first one 200 in all of them. Nothing is thrown or said.
# Why it matters: scanners that scale each slice to its own range (Philips, PET) write such objects. Values jump from slice to slice, a threshold or an
# uptake value means something else in each, and the volume looks whole.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @itk-wasm/image-io@1.6.1
cat >frames.mjs <<'JS'
// An Enhanced MR Image object (explicit VR, little endian): 2×2 pixels of 16 bits a frame, 100 in all of them, with the place and the slope of each.
const text = (words) => Buffer.from(words.length % 2 ? `${words} ` : words);
const uid = (words) => Buffer.from(words.length % 2 ? `${words}\0` : words);
const word = (...numbers) => Buffer.from(Uint16Array.from(numbers).buffer);
function element(group, number, vr, data) {
  const isLong = ['OB', 'OW', 'SQ'].includes(vr);
  const head = Buffer.alloc(isLong ? 12 : 8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4);
  if (isLong) head.writeUInt32LE(data.length, 8);
  else head.writeUInt16LE(data.length, 6);
  return Buffer.concat([head, data]);
}
function items(...all) {
  return Buffer.concat(all.map((parts) => {
    const body = Buffer.concat(parts);
    const head = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0]);
    head.writeUInt32LE(body.length, 4);
    return Buffer.concat([head, body]);
  }));
}
export function enhanced(frames) {
  const kind = '1.2.840.10008.5.1.4.1.1.4.1';
  const meta = Buffer.concat([element(2, 1, 'OB', Buffer.from([0, 1])), element(2, 2, 'UI', uid(kind)), element(2, 3, 'UI', uid('1.2.3.4')), element(2, 0x10, 'UI', uid('1.2.840.10008.1.2.1')), element(2, 0x12, 'UI', uid('1.2.3.9'))]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(meta.length);
  const shared = [
    element(0x0020, 0x9116, 'SQ', items([element(0x0020, 0x0037, 'DS', text('1\\0\\0\\0\\1\\0'))])),
    element(0x0028, 0x9110, 'SQ', items([element(0x0018, 0x0050, 'DS', text('2')), element(0x0028, 0x0030, 'DS', text('0.7\\0.5'))])),
  ];
  const own = frames.map(({ z, slope }, i) => [
    element(0x0020, 0x9111, 'SQ', items([element(0x0020, 0x9056, 'SH', text('1')), element(0x0020, 0x9057, 'UL', Buffer.from(Uint32Array.of(i + 1).buffer)), element(0x0020, 0x9157, 'UL', Buffer.from(Uint32Array.of(1, i + 1).buffer))])),
    element(0x0020, 0x9113, 'SQ', items([element(0x0020, 0x0032, 'DS', text(`0\\0\\${z}`))])),
    element(0x0028, 0x9145, 'SQ', items([element(0x0028, 0x1052, 'DS', text('0')), element(0x0028, 0x1053, 'DS', text(String(slope))), element(0x0028, 0x1054, 'LO', text('US'))])),
  ]);
  return Buffer.concat([
    Buffer.alloc(128), Buffer.from('DICM'), element(2, 0, 'UL', length), meta,
    element(8, 8, 'CS', text('ORIGINAL\\PRIMARY\\VOLUME\\NONE')), element(8, 0x16, 'UI', uid(kind)), element(8, 0x18, 'UI', uid('1.2.3.4')), element(8, 0x60, 'CS', text('MR')),
    element(8, 0x70, 'LO', text('SIEMENS')), element(0x18, 0x5100, 'CS', text('HFS')),
    element(0x20, 0x0d, 'UI', uid('1.2.3.5')), element(0x20, 0x0e, 'UI', uid('1.2.3.6')), element(0x20, 0x11, 'IS', text('1')), element(0x20, 0x13, 'IS', text('1')), element(0x20, 0x52, 'UI', uid('1.2.3.7')),
    element(0x28, 2, 'US', word(1)), element(0x28, 4, 'CS', text('MONOCHROME2')), element(0x28, 8, 'IS', text(String(frames.length))),
    element(0x28, 0x10, 'US', word(2)), element(0x28, 0x11, 'US', word(2)), element(0x28, 0x100, 'US', word(16)), element(0x28, 0x101, 'US', word(16)), element(0x28, 0x102, 'US', word(15)), element(0x28, 0x103, 'US', word(0)),
    element(0x5200, 0x9229, 'SQ', items(shared)), element(0x5200, 0x9230, 'SQ', items(...own)),
    element(0x7fe0, 0x10, 'OW', word(...frames.flatMap(() => [100, 100, 100, 100]))),
  ]);
}
JS
cat >show.mjs <<'JS'
import { writeFileSync } from 'node:fs';
import { readImageNode } from '@itk-wasm/image-io';
import { enhanced } from './frames.mjs';
async function seen(name, slopes) {
  writeFileSync(name, enhanced(slopes.map((slope, i) => ({ z: 2 * i, slope }))));
  const { data } = await readImageNode(name);
  const values = slopes.map((_, frame) => Number(data[4 * frame])).join(' ');
  console.log(`slopes ${slopes.join(' ').padEnd(10)} expected ${slopes.map((slope) => 100 * slope).join(' ').padEnd(12)} seen ${values}`);
  return values;
}
const holds = (await seen('one.dcm', [1, 2, 0.25])) === '100 100 100' && (await seen('two.dcm', [2, 1, 0.25])) === '200 200 200';
console.log(holds ? 'As found.' : 'Changed since this was written.');
process.exit(holds ? 0 : 1);
JS
node show.mjs
