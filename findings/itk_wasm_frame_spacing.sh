#!/usr/bin/env bash
# @itk-wasm/image-io 1.6.1 (ITK, GDCM): an enhanced DICOM object with one frame out of step loses all its sizes, those within the frames too.
# Expected: PixelSpacing 0.7\0.5 says 0.5 mm along the rows and 0.7 mm along the columns whatever lies between the frames; for the third axis an error or a warning.
# Seen: frames at 0, 2, 4 and 6 mm have spacing 0.5, 0.7, 2; at 0, 2, 4 and 8 mm it is 1, 1, 1, and so it is where even frames are stored in another order (4, 0, 2, 6).
# Why it matters: a length of 10 mm along a row is measured as 20, with no word said, only because a slice elsewhere in the object is missing.
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
async function spacing(places) {
  writeFileSync('frames.dcm', enhanced(places.map((z) => ({ z, slope: 1 }))));
  const { spacing: mm } = await readImageNode('frames.dcm');
  console.log(`frames at ${places.join(', ')} mm: spacing ${mm.join(', ')}`);
  return mm.join(' ');
}
const holds = (await spacing([0, 2, 4, 6])) === '0.5 0.7 2' && (await spacing([0, 2, 4, 8])) === '1 1 1' && (await spacing([4, 0, 2, 6])) === '1 1 1';
console.log(holds ? 'As found.' : 'Changed since this was written.');
process.exit(holds ? 0 : 1);
JS
node show.mjs
