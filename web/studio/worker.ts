/** The Studio's worker: runs, models and whatever else takes time, so that the page only draws. It answers `connectStudio` (client.ts). */
import * as Comlink from 'comlink';
import { workerApi } from '../workerApi.ts';
import { studioFunctions } from './functions.ts';
import { provideDicomCodecs } from '../dicomCodecs.ts';
import { openDicomCodec } from '../openDicomCodec.ts';
import { guardRequests } from './requests.ts';

guardRequests();
provideDicomCodecs(openDicomCodec);
Comlink.expose({ ...workerApi, ...studioFunctions });
