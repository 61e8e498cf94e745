/** `node dist/volume.js`: flags are in src/options/volume.ts, the work in src/run/volume/volume.ts. */
import { volumeProgram } from '../src/options/volume.ts';
import { runVolume } from '../src/run/volume/volume.ts';
import { runProgram } from './cli.ts';
import { nodePlatform as platform } from './platform.ts';

await runProgram(volumeProgram, ({ options }, stop, terminal) => runVolume({ platform, options, stop, terminal }));
