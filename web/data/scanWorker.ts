/** The thread of the Data step. It answers `connectScans` (scanClient.ts). */
import { expose } from 'comlink';
import { provideDicomCodecs } from '../dicomCodecs.ts';
import { openDicomCodec } from '../openDicomCodec.ts';
import { guardRequests } from '../studio/requests.ts';
import { scanFunctions } from './scanFunctions.ts';

guardRequests();
provideDicomCodecs(openDicomCodec);
expose(scanFunctions);
