/**
 * A folder of DICOM slices to pixels as a screen shows them, on one core: header, order, values, window, RGB of 8 bits. Beside it lies the same
 * in pydicom and numpy (dicom_pydicom.py), which also makes the 2 000 slices.
 *
 *   python test/bench/dicom_pydicom.py make DATA; python test/bench/dicom_pydicom.py pixels DATA     (one core: OMP_NUM_THREADS=1 taskset -c 0)
 *   npx vite build --mode bench && taskset -c 0 node dist/benchDicom.js DATA/Datasets/Synthetic/Images/case_0
 */
import { createHash } from 'node:crypto';
import process from 'node:process';
import { nodePlatform } from '../../node/platform.ts';
import { openDicomScan } from '../../src/data/dicom/scan.ts';

const [dir = ''] = process.argv.slice(2);
const seconds = ({ user, system }: NodeJS.CpuUsage): number => (user + system) / 1e6;
const before = process.cpuUsage();
const scan = await openDicomScan(nodePlatform, dir);
const opened = seconds(process.cpuUsage(before));
const hash = createHash('sha256');
let hashing = 0;
for (let slice = 0; slice < scan.size[0]; slice++) {
  const rgb = (await scan.readSlice(slice)).rgb();
  if (slice % 100 !== 0) continue;
  const start = process.cpuUsage();
  hash.update(rgb);
  hashing += seconds(process.cpuUsage(start));
}
const all = seconds(process.cpuUsage(before)) - hashing;
const megabytes = Math.round(process.resourceUsage().maxRSS / 1024);
console.log(
  `${scan.size.join('×')}: headers ${opened.toFixed(2)} s, all ${all.toFixed(2)} s of CPU, ${megabytes} MB; ${hash.digest('hex').slice(0, 16)}`,
);
process.exit(0);
