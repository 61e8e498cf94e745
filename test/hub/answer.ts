/** What the test hub sends back, and the ways in which that can go wrong. */
import type { ServerResponse } from 'node:http';

/** What goes wrong with the next requests that match. */
export type Fault =
  /** The connection breaks after so many bytes of the body. */
  | { kind: 'drop'; afterBytes: number }
  /** Nothing more comes after so many bytes, and the connection stays open. */
  | { kind: 'stall'; afterBytes: number }
  /** The body trickles: `bytes` every `ms`. */
  | { kind: 'slow'; bytes: number; ms: number }
  | { kind: 'status'; status: number; headers?: Record<string, string> }
  /** One byte of the body is another. */
  | { kind: 'corrupt' }
  /** A shorter file, complete in itself. */
  | { kind: 'truncate'; toBytes: number }
  | { kind: 'etag'; etag: string }
  /** The whole file in answer to a range. */
  | { kind: 'ignoreRange' }
  /** The request is carried out, and the answer is lost. */
  | { kind: 'loseAnswer' }
  /** The request is carried out after a while, whether or not who asked is still there. */
  | { kind: 'late'; ms: number };

/** One answer, with the fault that was planned for it. */
export class Answer {
  private readonly response: ServerResponse;
  private readonly method: string;
  private readonly request: Record<string, string>;
  private readonly fault: Fault | undefined;

  constructor(response: ServerResponse, method: string, request: Record<string, string>, fault: Fault | undefined) {
    this.response = response;
    this.method = method;
    this.request = request;
    this.fault = fault;
  }

  json(status: number, value: unknown, headers: Record<string, string> = {}): void {
    this.body(status, Buffer.from(JSON.stringify(value)), { ...this.cors(), ...headers, 'Content-Type': 'application/json' });
  }

  redirect(location: string, headers: Record<string, string>): void {
    this.body(302, Buffer.alloc(0), { ...this.cors(), ...headers, Location: location });
  }

  file(bytes: Buffer, headers: Record<string, string>): void {
    const range = this.fault?.kind === 'ignoreRange' ? null : /^bytes=(\d+)-(\d*)$/.exec(this.request['range'] ?? '');
    const shared = { ...this.cors(), ...headers, 'Accept-Ranges': 'bytes', ...(this.fault?.kind === 'etag' && { ETag: this.fault.etag }) };
    if (range === null) return this.body(200, bytes, shared);
    const from = Number(range[1]);
    const to = range[2] === '' ? bytes.length - 1 : Math.min(Number(range[2]), bytes.length - 1);
    if (from > to) return this.body(416, Buffer.alloc(0), { ...shared, 'Content-Range': `bytes */${bytes.length}` });
    this.body(206, bytes.subarray(from, to + 1), { ...shared, 'Content-Range': `bytes ${from}-${to}/${bytes.length}` });
  }

  private cors(): Record<string, string> {
    return { 'Access-Control-Allow-Origin': '*', 'Access-Control-Expose-Headers': '*' };
  }

  private body(status: number, whole: Buffer, headers: Record<string, string>): void {
    const { response, fault } = this;
    let bytes = whole;
    if (fault?.kind === 'loseAnswer') return void response.socket?.destroy();
    if (fault?.kind === 'truncate') bytes = bytes.subarray(0, fault.toBytes);
    if (fault?.kind === 'corrupt' && bytes.length > 0) {
      bytes = Buffer.from(bytes);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0x40;
    }
    response.writeHead(status, { ...headers, 'Content-Length': String(bytes.length) });
    if (this.method === 'HEAD') return void response.end();
    if (fault?.kind === 'drop') return void response.write(bytes.subarray(0, fault.afterBytes), () => setTimeout(() => response.socket?.destroy(), 50));
    if (fault?.kind === 'stall') return void response.write(bytes.subarray(0, fault.afterBytes));
    if (fault?.kind !== 'slow') return void response.end(bytes);
    const { bytes: step, ms } = fault;
    const send = (at: number): void => {
      if (at >= bytes.length || response.destroyed) return void response.end();
      response.write(bytes.subarray(at, at + step));
      setTimeout(() => send(at + step), ms);
    };
    send(0);
  }
}
