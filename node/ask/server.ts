/** HTTP for `ask --serve`. What is asked and answered over it is src/run/ask/service.ts. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Service } from '../../src/run/ask/service.ts';
import type { Serve } from '../../src/run/ask/service.ts';
import { hostsOf } from '../../src/run/localServer.ts';
import { listenLocally, sameAs } from '../localServer.ts';
import { NodeExchange } from './exchange.ts';

export const serve: Serve = async (settings) => {
  const service = new Service(settings, sameAs(settings.key));
  const handle = (request: IncomingMessage, response: ServerResponse): void => void service.handle(new NodeExchange(request, response));
  const { port, close } = await listenLocally(settings.port, handle, handle);
  service.hosts = hostsOf(port, ['127.0.0.1', 'localhost', '[::1]']);
  return {
    port,
    close() {
      service.stop();
      return close();
    },
    held: () => service.held(),
  };
};
