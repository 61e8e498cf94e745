/** The thread of the Data step. It answers `connectScans` (scanClient.ts). */
import { expose } from 'comlink';
import { scanFunctions } from './scanFunctions.ts';

expose(scanFunctions);
