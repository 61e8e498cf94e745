/** The thread of the Data step. It answers `connectScans` (scanClient.ts). */
import { expose } from 'comlink';
import { guardRequests } from '../studio/requests.ts';
import { scanFunctions } from './scanFunctions.ts';

guardRequests();
expose(scanFunctions);
