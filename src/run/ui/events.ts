/**
 * A run's log as server-sent events. Whoever watches it shares one reader, which looks for new bytes twice a second while there is anybody,
 * and each line is worded once. An event's id is its place in the log, so that a client that was cut off goes on where it was, also after
 * the server was started again.
 */
import type { StateEvent } from './api.ts';
import { placeText, START } from './logLines.ts';
import type { LogPlace, PlacedLine } from './logLines.ts';
import type { RunLog } from './runLog.ts';

const POLL_MS = 500;
/** Looks between two at the run's lock. */
const STATE_EVERY = 4;
/** Looks between two at which the state is told though it has not changed: a page may have asked in between, when it was another. */
const REPEAT_EVERY = 20;
/** Bytes that may wait for a slow client; it is cut off then, comes again, and goes on. */
const MOST_WAITING = 2 ** 22;

interface Viewer {
  controller: ReadableStreamDefaultController<Uint8Array>;
  /** What is told while the viewer is still given what was before; undefined afterwards. */
  queue: Uint8Array[] | undefined;
  /** Ends the waiting of a stream that is full. */
  onPull: () => void;
  isGone: boolean;
}

export class RunEvents {
  private readonly log: RunLog;
  private readonly look: () => Promise<StateEvent | undefined>;
  private readonly viewers = new Set<Viewer>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private state: string | undefined = '';
  private polls = 0;

  /** @param look the run's state; undefined: it is gone */
  constructor(log: RunLog, look: () => Promise<StateEvent | undefined>) {
    [this.log, this.look] = [log, look];
    log.listener = {
      line: (line) => this.tell(lineEvent(line)),
      reset: () => this.tell(RESET),
    };
  }

  get viewerCount(): number {
    return this.viewers.size;
  }

  /** @param from a place of the log; undefined: its first line */
  stream(from: LogPlace | undefined): ReadableStream<Uint8Array> {
    let viewer: Viewer | undefined;
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          viewer = { controller, queue: [], onPull: () => undefined, isGone: false };
          void this.begin(viewer, from).catch((error: unknown) => viewer && this.end(viewer, error));
        },
        pull: () => viewer?.onPull(),
        cancel: () => {
          if (viewer) this.forget(viewer);
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: 2 ** 16 }),
    );
  }

  close(): void {
    for (const viewer of [...this.viewers]) this.end(viewer);
  }

  /** Everything from its place up to now, and then what was told meanwhile. */
  private async begin(viewer: Viewer, from: LogPlace | undefined): Promise<void> {
    const state = await this.look();
    await this.log.refresh();
    if (viewer.isGone) return;
    // Together: what is behind this place is told from now on.
    const now = this.log.place;
    this.viewers.add(viewer);
    if (state) this.send(viewer, stateEvent(state));
    const give = async (lines: PlacedLine[]): Promise<void> => {
      this.send(viewer, joinedEvents(lines.map(lineEvent)));
      await this.drained(viewer);
    };
    if (!(await this.log.between(from ?? START, now, give))) {
      this.send(viewer, RESET);
      await this.log.between(START, now, give);
    }
    for (const event of viewer.queue ?? []) this.send(viewer, event);
    viewer.queue = undefined;
    this.schedule();
  }

  private schedule(): void {
    if (this.timer !== undefined || this.viewers.size === 0) return;
    this.timer = setTimeout(() => {
      void this.poll().finally(() => {
        this.timer = undefined;
        this.schedule();
      });
    }, POLL_MS);
  }

  private async poll(): Promise<void> {
    try {
      this.polls++;
      await this.log.refresh();
      if (this.polls % STATE_EVERY === 0) await this.tellState();
    } catch (error) {
      for (const viewer of [...this.viewers]) this.end(viewer, error);
    }
  }

  private async tellState(): Promise<void> {
    const state = await this.look();
    const text = JSON.stringify(state);
    if (text !== this.state || this.polls % REPEAT_EVERY === 0) this.tell(state === undefined ? GONE : stateEvent(state));
    this.state = text;
    if (state === undefined) this.close();
  }

  private tell(event: Uint8Array): void {
    for (const viewer of [...this.viewers]) {
      if (viewer.queue) viewer.queue.push(event);
      else this.send(viewer, event);
    }
  }

  private send(viewer: Viewer, event: Uint8Array): void {
    if (viewer.isGone || event.length === 0) return;
    if ((viewer.controller.desiredSize ?? 0) < -MOST_WAITING) this.end(viewer);
    else viewer.controller.enqueue(event);
  }

  private async drained(viewer: Viewer): Promise<void> {
    while (!viewer.isGone && (viewer.controller.desiredSize ?? 1) <= 0)
      await new Promise<void>((resolve) => {
        viewer.onPull = resolve;
      });
  }

  private end(viewer: Viewer, error?: unknown): void {
    if (viewer.isGone) return;
    this.forget(viewer);
    if (error === undefined) viewer.controller.close();
    else viewer.controller.error(error);
  }

  private forget(viewer: Viewer): void {
    viewer.isGone = true;
    this.viewers.delete(viewer);
    viewer.onPull();
    if (this.viewers.size > 0) return;
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const RESET = bytes('event: reset\ndata: {}\n\n');
const GONE = bytes('event: gone\ndata: {}\n\n');

function lineEvent({ entry, after }: PlacedLine): Uint8Array {
  return bytes(`id: ${placeText(after)}\nevent: line\ndata: ${JSON.stringify(entry)}\n\n`);
}

function stateEvent(state: StateEvent): Uint8Array {
  return bytes(`event: state\ndata: ${JSON.stringify(state)}\n\n`);
}

function joinedEvents(events: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(events.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const event of events) {
    all.set(event, at);
    at += event.length;
  }
  return all;
}
