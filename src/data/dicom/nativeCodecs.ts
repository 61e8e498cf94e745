/**
 * The decoders of compressed frames: CharLS, OpenJPEG, OpenJPH and the JPEG library of the Independent JPEG Group (8 and 12 bits,
 * lossless), as one WebAssembly module, dcmjs-codecs'. The module is the same in every runtime; a platform gives its bytes. Its own
 * wrapper is not used, as it needs dcmjs and chooses its files by itself.
 */
import type { Compression } from './syntaxes.ts';

/** What a frame is said to be; the module checks some of it. */
export interface EncodedFrame {
  bytes: Uint8Array;
  rows: number;
  columns: number;
  samples: number;
  bitsAllocated: number;
  bitsStored: number;
  isSigned: boolean;
  isPlanar: boolean;
}

export interface DecodedFrame {
  /** Little endian. */
  bytes: Uint8Array;
  bitsAllocated: number;
  isPlanar: boolean;
}

type Call = (...values: number[]) => number;
interface Instance {
  memory: WebAssembly.Memory;
  call: (name: string, ...values: number[]) => number;
}

const DECODERS: Readonly<Record<Exclude<Compression, 'rle'>, string>> = {
  jpeg: 'DecodeJpeg',
  'jpeg-ls': 'DecodeJpegLs',
  'jpeg-2000': 'DecodeJpeg2000',
  htj2k: 'DecodeHtJpeg2000',
};
/** The module's numbers for photometric interpretations; colours are ours to convert, so it is told of none. */
const MONOCHROME2 = 1;
const RGB = 3;
/** A module that has taken more is let go of: memory of WebAssembly never shrinks. */
const MOST_KEPT_BYTES = 256 * 2 ** 20;

export class NativeCodecs {
  private readonly module: WebAssembly.Module;
  private instance: Instance | undefined;

  constructor(module: WebAssembly.Module) {
    this.module = module;
  }

  static async open(wasm: Uint8Array): Promise<NativeCodecs> {
    return new NativeCodecs(await WebAssembly.compile(wasm as Uint8Array<ArrayBuffer>));
  }

  /** @throws Error in words where the frame cannot be decoded */
  async decode(compression: Exclude<Compression, 'rle'>, frame: EncodedFrame): Promise<DecodedFrame> {
    const instance = (this.instance ??= await started(this.module));
    try {
      const decoded = decodeIn(instance, compression, frame);
      if (instance.memory.buffer.byteLength > MOST_KEPT_BYTES) this.instance = undefined;
      return decoded;
    } catch (cause) {
      // What the failed call took is lost in that memory, and its state is not to be trusted.
      this.instance = undefined;
      throw new Error(`its compressed frame cannot be decoded (${cause instanceof Error ? cause.message.slice(0, 200) : String(cause)})`, {
        cause,
      });
    }
  }
}

function decodeIn({ memory, call }: Instance, compression: Exclude<Compression, 'rle'>, frame: EncodedFrame): DecodedFrame {
  const context = call('CreateCodecsContext');
  call('SetColumns', context, frame.columns);
  call('SetRows', context, frame.rows);
  call('SetBitsAllocated', context, frame.bitsAllocated);
  call('SetBitsStored', context, frame.bitsStored);
  call('SetSamplesPerPixel', context, frame.samples);
  call('SetPixelRepresentation', context, frame.isSigned ? 1 : 0);
  call('SetPlanarConfiguration', context, frame.isPlanar ? 1 : 0);
  call('SetPhotometricInterpretation', context, frame.samples === 1 ? MONOCHROME2 : RGB);
  call('SetEncodedBufferSize', context, frame.bytes.length);
  new Uint8Array(memory.buffer).set(frame.bytes, call('GetEncodedBuffer', context));
  const parameters = call('CreateDecoderParameters');
  call('SetConvertColorspaceToRgb', parameters, 0);
  call(DECODERS[compression], context, parameters);
  call('ReleaseDecoderParameters', parameters);
  const at = call('GetDecodedBuffer', context);
  const decoded: DecodedFrame = {
    bytes: new Uint8Array(memory.buffer).slice(at, at + call('GetDecodedBufferSize', context)),
    bitsAllocated: call('GetBitsAllocated', context),
    isPlanar: call('GetPlanarConfiguration', context) === 1,
  };
  call('ReleaseCodecsContext', context);
  return decoded;
}

async function started(module: WebAssembly.Module): Promise<Instance> {
  const words = { memory: undefined as WebAssembly.Memory | undefined };
  const text = (at: number, length: number): string =>
    new TextDecoder().decode(new Uint8Array(words.memory?.buffer ?? new ArrayBuffer(0)).slice(at, at + length));
  const none = (): number => 0;
  const instance = await WebAssembly.instantiate(module, {
    env: {
      onCodecsException: (at: number, length: number) => {
        throw new Error(text(at, length));
      },
      onCodecsInfo: none,
      onCodecsTrace: none,
      emscripten_notify_memory_growth: none,
    },
    wasi_snapshot_preview1: {
      proc_exit: (status: number) => {
        throw new Error(`the decoder ended with ${status}`);
      },
      clock_time_get: none,
      // What the libraries print is said of a frame that then fails, or does no harm.
      fd_write: (_file: number, list: number, count: number, written: number) => {
        const view = new DataView(words.memory?.buffer ?? new ArrayBuffer(0));
        let bytes = 0;
        for (let i = 0; i < count; i++) bytes += view.getUint32(list + 8 * i + 4, true);
        view.setUint32(written, bytes, true);
        return 0;
      },
      fd_close: none,
      fd_seek: none,
      environ_get: none,
      environ_sizes_get: (count: number, size: number) => {
        const view = new DataView(words.memory?.buffer ?? new ArrayBuffer(0));
        view.setUint32(count, 0, true);
        view.setUint32(size, 0, true);
        return 0;
      },
    },
  });
  const memory = instance.exports['memory'] as WebAssembly.Memory;
  words.memory = memory;
  const call = (name: string, ...values: number[]): number => (instance.exports[name] as Call)(...values);
  call('_initialize');
  return { memory, call };
}
