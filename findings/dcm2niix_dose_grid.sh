#!/usr/bin/env bash
# dcm2niix v1.0.20241231 (@niivue/dcm2niix 1.2.0): the planes of an RT Dose lie 1 mm apart, whatever its GridFrameOffsetVector says, and stay without their scaling.
# Expected: planes at 0, 2.5, 5 and 7.5 mm (GridFrameOffsetVector, PS3.3, C.8.8.3.2; type 1C, and the only place where a dose says so) become a volume with
# 2.5 mm between slices; values of gray are the stored ones times DoseGridScaling, as NIfTI's scl_slope can say. Or the object is refused.
# Seen: 1 mm between slices, slope 1, exit code 0. It says "Unable to determine slice thickness: please check voxel size", where nothing is missing (a dose's
# SliceThickness may be empty), and nothing of the scaling.
# Why it matters: a dose of 10 cm height is 4 cm in the NIfTI file; laid over its CT it hits other organs, and volumes within an isodose are 2.5 times too small.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
npm init -y >/dev/null
npm install --silent --no-audit --no-fund --ignore-scripts @niivue/dcm2niix@1.2.0
cat >show.mjs <<'JS'
import { readFileSync } from 'node:fs';
globalThis.self = globalThis; // the package is made for workers of a page
const text = (words) => Buffer.from(words.length % 2 ? `${words} ` : words);
const uid = (words) => Buffer.from(words.length % 2 ? `${words}\0` : words);
const word = (...numbers) => Buffer.from(Uint16Array.from(numbers).buffer);
function element(group, number, vr, data) {
  const isLong = vr === 'OW' || vr === 'OB';
  const head = Buffer.alloc(isLong ? 12 : 8);
  head.writeUInt16LE(group, 0);
  head.writeUInt16LE(number, 2);
  head.write(vr, 4);
  if (isLong) head.writeUInt32LE(data.length, 8);
  else head.writeUInt16LE(data.length, 6);
  return Buffer.concat([head, data]);
}
const kind = '1.2.840.10008.5.1.4.1.1.481.2';
const meta = Buffer.concat([element(2, 1, 'OB', Buffer.from([0, 1])), element(2, 2, 'UI', uid(kind)), element(2, 3, 'UI', uid('1.2.3.4')), element(2, 0x10, 'UI', uid('1.2.840.10008.1.2.1')), element(2, 0x12, 'UI', uid('1.2.3.9'))]);
const length = Buffer.alloc(4);
length.writeUInt32LE(meta.length);
const dose = Buffer.concat([
  Buffer.alloc(128), Buffer.from('DICM'), element(2, 0, 'UL', length), meta,
  element(8, 0x16, 'UI', uid(kind)), element(8, 0x18, 'UI', uid('1.2.3.4')), element(8, 0x60, 'CS', text('RTDOSE')), element(8, 0x70, 'LO', text('Acme')),
  element(0x18, 0x50, 'DS', Buffer.alloc(0)), element(0x18, 0x5100, 'CS', text('HFS')),
  element(0x20, 0x0d, 'UI', uid('1.2.3.5')), element(0x20, 0x0e, 'UI', uid('1.2.3.6')), element(0x20, 0x11, 'IS', text('1')), element(0x20, 0x13, 'IS', text('1')),
  element(0x20, 0x32, 'DS', text('0\\0\\0')), element(0x20, 0x37, 'DS', text('1\\0\\0\\0\\1\\0')), element(0x20, 0x52, 'UI', uid('1.2.3.7')),
  element(0x28, 2, 'US', word(1)), element(0x28, 4, 'CS', text('MONOCHROME2')), element(0x28, 8, 'IS', text('4')), element(0x28, 9, 'AT', word(0x3004, 0x000c)),
  element(0x28, 0x10, 'US', word(2)), element(0x28, 0x11, 'US', word(2)), element(0x28, 0x30, 'DS', text('3\\3')),
  element(0x28, 0x100, 'US', word(16)), element(0x28, 0x101, 'US', word(16)), element(0x28, 0x102, 'US', word(15)), element(0x28, 0x103, 'US', word(0)),
  element(0x3004, 2, 'CS', text('GY')), element(0x3004, 4, 'CS', text('PHYSICAL')), element(0x3004, 0x0a, 'CS', text('PLAN')),
  element(0x3004, 0x0c, 'DS', text('0\\2.5\\5\\7.5')), element(0x3004, 0x0e, 'DS', text('0.001')),
  element(0x7fe0, 0x10, 'OW', word(...Array.from({ length: 16 }, (_, i) => 1000 * i))),
]);
const dist = './node_modules/@niivue/dcm2niix/dist/dcm2niix.jpeg';
const { default: open } = await import(`${dist}.js`);
const said = [];
const tool = await open({ noInitialRun: true, wasmBinary: readFileSync(`${dist}.wasm`), print: (line) => said.push(line), printErr: (line) => said.push(line) });
tool.FS.mkdir('/in');
tool.FS.mkdir('/out');
tool.FS.writeFile('/in/dose.dcm', dose);
const code = tool.callMain(['-f', 'x', '-b', 'n', '-o', '/out', '/in']);
const bytes = tool.FS.readFile('/out/x.nii');
const view = new DataView(bytes.buffer, bytes.byteOffset);
const seen = { code, slices: view.getInt16(46, true), mm: view.getFloat32(88, true), slope: view.getFloat32(112, true) };
const warnings = said.filter((line) => /distance|gap|spacing|grid|dose|scal/i.test(line));
console.log('expected: 4 slices, 2.5 mm, slope 0.001; seen:', JSON.stringify(seen), JSON.stringify(warnings));
const holds = seen.code === 0 && seen.slices === 4 && seen.mm === 1 && said.some((line) => line.includes('slice thickness')) && seen.slope === 1 && warnings.length === 0;
console.log(holds ? 'As found.' : 'Changed since this was written.');
process.exit(holds ? 0 : 1);
JS
node show.mjs
