#!/usr/bin/env bash
# dcm2niix v1.0.20241231 (@niivue/dcm2niix 1.2.0): a gap between the frames of an enhanced object is closed without a word.
# Expected: frames at 0, 2, 4 and 8 mm, of which one is missing at 6, are refused or warned of: a NIfTI file has one distance for all its slices.
# Seen: a NIfTI file of 4 slices 2 mm apart, exit code 0, and no word about distances; the last slice lies at 6 mm in place of 8.
# Why it matters: lengths across the slices are wrong, masks and landmarks lie beside what they were drawn on, and whoever reads the NIfTI file cannot know.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @niivue/dcm2niix@1.2.0
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
import { readFileSync } from 'node:fs';
import { enhanced } from './frames.mjs';
globalThis.self = globalThis; // the package is made for workers of a page
const dist = './node_modules/@niivue/dcm2niix/dist/dcm2niix.jpeg';
const { default: open } = await import(`${dist}.js`);
async function converted(frames) {
  const said = [];
  const tool = await open({ noInitialRun: true, wasmBinary: readFileSync(`${dist}.wasm`), print: (line) => said.push(line), printErr: (line) => said.push(line) });
  tool.FS.mkdir('/in');
  tool.FS.mkdir('/out');
  tool.FS.writeFile('/in/frames.dcm', enhanced(frames));
  const code = tool.callMain(['-f', 'x', '-b', 'n', '-o', '/out', '/in']);
  const bytes = tool.FS.readFile('/out/x.nii');
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const warnings = said.filter((line) => /distance|gap|spacing|uneven|vari/i.test(line));
  return { code, slices: view.getInt16(46, true), mm: view.getFloat32(88, true), warnings };
}
const even = await converted([0, 2, 4, 6].map((z) => ({ z, slope: 1 })));
const uneven = await converted([0, 2, 4, 8].map((z) => ({ z, slope: 1 })));
console.log('at 0, 2, 4, 6 mm:', JSON.stringify(even));
console.log('at 0, 2, 4, 8 mm:', JSON.stringify(uneven));
const holds = even.mm === 2 && uneven.code === 0 && uneven.slices === 4 && uneven.mm === 2 && uneven.warnings.length === 0;
console.log(holds ? 'As found.' : 'Changed since this was written.');
process.exit(holds ? 0 : 1);
JS
node show.mjs
