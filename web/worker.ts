/** `vernier/web/worker`: runs and models in a worker of the page, so that it stays smooth. It answers `connectWorker` (client.ts). */
import * as Comlink from 'comlink';
import { provideDicomCodecs } from './dicomCodecs.ts';
import { openDicomCodec } from './openDicomCodec.ts';
import { workerApi } from './workerApi.ts';

provideDicomCodecs(openDicomCodec);
Comlink.expose(workerApi);
