/** The slice: looked at and drawn on, by pointer and by keys. */
import { effect } from '@preact/signals';
import type { JSX, TargetedKeyboardEvent, TargetedPointerEvent } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import type { DrawnPoint } from '../../src/data/drawn/annotation.ts';
import type { Window } from '../../src/data/medvision/intensity.ts';
import { texts } from '../texts.ts';
import type { Editor } from './editor.ts';
import { greys, paintMark } from './paint.ts';
import type { SlicePixels } from './scanFunctions.ts';
import { windowSeen } from './scanPixels.ts';
import { FITTED, SliceView } from './sliceView.ts';
import { begun, isComplete, keyed, moved, placed, pointNear, secondLine } from './tools.ts';

/** Pixels of the screen within which a press means a point. */
const NEAR = 12;
const SQUARE = [1, 1] as const;

/** What the canvas shows, and where it lies. */
class Screen {
  readonly canvas: HTMLCanvasElement;
  readonly #editor: Editor;
  readonly #slice = document.createElement('canvas');
  #shown: { pixels: SlicePixels; window: Window } | undefined;
  #isAsked = false;

  constructor(canvas: HTMLCanvasElement, editor: Editor) {
    this.canvas = canvas;
    this.#editor = editor;
  }

  /** At the next frame. */
  ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    requestAnimationFrame(() => {
      this.#isAsked = false;
      this.#paint();
    });
  }

  view(): SliceView | undefined {
    const size = this.#editor.size.peek();
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return size && width > 0
      ? new SliceView(size, this.#editor.pixelSize.peek(), { width, height }, this.#editor.camera.peek())
      : undefined;
  }

  /** The window that the shown slice is seen in. */
  windowOf(pixels: SlicePixels): Window {
    const { window, intensity } = this.#editor;
    return window.peek() ?? (pixels.ranges ? windowSeen(pixels.ranges, intensity.peek()) : { low: 0, high: 255 });
  }

  get pixels(): SlicePixels | undefined {
    return this.#shown?.pixels;
  }

  #paint(): void {
    const { canvas } = this;
    const editor = this.#editor;
    const context = canvas.getContext('2d');
    const view = this.view();
    if (context === null) return;
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = '#000';
    context.fillRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    const scan = editor.scan.peek();
    if (scan === undefined || view === undefined) return;
    const plane = editor.shownPlane.peek();
    // Until a slice is there, the one before stays.
    const pixels = editor.slices.peek(scan, plane, editor.slice.peek()) ?? this.#shown?.pixels;
    if (pixels === undefined) return;
    if (pixels.rows !== view.size.height || pixels.cols !== view.size.width) return;
    this.#fill(pixels, this.windowOf(pixels));
    const [x, y] = view.toScreen([-0.5, -0.5]);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.#slice, x, y, view.scale[1] * pixels.cols, view.scale[0] * pixels.rows);
    const draft = editor.draft.peek();
    for (const { id, shape, points, label } of editor.onSlice.peek())
      if (id !== draft?.id) paintMark(context, view, { shape, points, label, isSelected: false });
    if (draft) paintMark(context, view, { ...draft, label: editor.label.peek(), isSelected: true });
    canvas.dataset['slice'] = `${plane ?? ''} ${editor.slice.peek()}`;
  }

  #fill(pixels: SlicePixels, window: Window): void {
    const shown = this.#shown;
    if (shown?.pixels === pixels && shown.window.low === window.low && shown.window.high === window.high) return;
    this.#shown = { pixels, window };
    const slice = this.#slice;
    if (slice.width !== pixels.cols || slice.height !== pixels.rows) [slice.width, slice.height] = [pixels.cols, pixels.rows];
    const data = new ImageData(new Uint8ClampedArray(greys(pixels, window).buffer), pixels.cols, pixels.rows);
    slice.getContext('2d')?.putImageData(data, 0, 0);
  }
}

export function Viewer({ editor }: { editor: Editor }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const screen = useRef<Screen | null>(null);
  const keys = useId();
  const scan = editor.scan.value;
  const plane = editor.shownPlane.value;
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return undefined;
    const own = (screen.current = new Screen(element, editor));
    const sizes = new ResizeObserver(() => own.ask());
    sizes.observe(element);
    // A wheel scrolls the page unless it is told not to, which only a listener of this kind may.
    const wheel = (event: WheelEvent): void => turned(event, editor, own);
    element.addEventListener('wheel', wheel, { passive: false });
    const stopAsking = effect(() => {
      void [editor.camera.value, editor.window.value, editor.intensity.value, editor.pixelSize.value];
      void [editor.draft.value, editor.onSlice.value, editor.label.value];
      own.ask();
    });
    const stopFetching = effect(() => {
      const { value: shown } = editor.scan;
      if (shown === undefined || editor.shape.value === null) return;
      const [at, count, of] = [editor.slice.value, editor.sliceCount.value, editor.shownPlane.value];
      own.ask();
      editor.slices.get(shown, of, at).then(
        ({ ranges }) => {
          own.ask();
          if (ranges && editor.slice.peek() === at) editor.ranges.value = ranges;
          editor.slices.ahead(shown, of, at, count);
        },
        (error: unknown) => editor.studio.failed(error),
      );
    });
    return () => {
      stopAsking();
      stopFetching();
      sizes.disconnect();
      element.removeEventListener('wheel', wheel);
    };
  }, [editor]);
  const name = scan ? texts.data.canvas(scan.name, plane ?? '', editor.slice.value) : texts.data.noScans;
  return (
    <div class="viewer">
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-label={name}
        aria-describedby={keys}
        class={`slice ${editor.tool.value}`}
        onPointerDown={(event) => screen.current && pressed(event, editor, screen.current)}
        onKeyDown={(event) => screen.current && typed(event, editor, screen.current)}
        onContextMenu={(event) => event.preventDefault()}
      />
      <p class="status" role="status">
        {editor.status.value}
      </p>
      <p id={keys} class="help">
        {texts.data.keys}
      </p>
    </div>
  );
}

function turned(event: WheelEvent, editor: Editor, screen: Screen): void {
  event.preventDefault();
  if (event.ctrlKey || event.metaKey) {
    const view = screen.view();
    if (view) editor.camera.value = view.zoomedAt(Math.exp(-event.deltaY / 200), event.offsetX, event.offsetY);
  } else if (event.deltaY !== 0) editor.goTo(editor.slice.peek() + Math.sign(event.deltaY));
}

type Pressed = TargetedPointerEvent<HTMLCanvasElement>;

function pressed(event: Pressed, editor: Editor, screen: Screen): void {
  const view = screen.view();
  const size = editor.size.peek();
  if (view === undefined || size === undefined) return;
  screen.canvas.focus({ preventScroll: true });
  const { offsetX: x, offsetY: y } = event;
  const tool = editor.tool.peek();
  const draft = editor.draft.peek();
  const at = view.toSlice(x, y);
  if (event.button === 2 || (event.button === 0 && tool === 'window')) return drag(event, screen, windowed(editor, screen));
  if (event.button !== 0) return event.button === 1 ? drag(event, screen, panned(editor, screen)) : undefined;
  if (draft && !isComplete(draft)) {
    editor.setDraft(secondLine(draft, at, size, editor.pixelSize.peek() ?? SQUARE));
    return drag(event, screen, pointed(editor, screen));
  }
  const near = draft ? pointNear(draft.points, x, y, NEAR, (point) => view.toScreen(point)) : -1;
  if (draft && near >= 0) {
    editor.setDraft({ ...draft, active: near });
    return drag(event, screen, pointed(editor, screen));
  }
  if (tool === 'look') {
    const found = nearest(editor, view, x, y);
    if (found) return editor.select(found);
    editor.settle();
    return drag(event, screen, panned(editor, screen));
  }
  if (tool === 'window' || !editor.canUse(tool)) return undefined;
  // A press that was not drawn out: the next one is the other end.
  editor.setDraft(draft ? moved(draft, at, size, editor.pixelSize.peek() ?? SQUARE) : begun(tool, at, size));
  return drag(event, screen, pointed(editor, screen));
}

/** The drawing that has a point near the place. */
function nearest(editor: Editor, view: SliceView, x: number, y: number): ReturnType<typeof editor.onSlice.peek>[number] | undefined {
  return editor.onSlice.peek().find(({ points }) => pointNear(points, x, y, NEAR, (point) => view.toScreen(point)) >= 0);
}

interface Dragging {
  move(event: PointerEvent, dx: number, dy: number): void;
  end?(): void;
}

/** Until the button is let go, wherever that is. */
function drag(event: Pressed, { canvas }: Screen, { move, end }: Dragging): void {
  canvas.setPointerCapture(event.pointerId);
  let [x, y] = [event.offsetX, event.offsetY];
  const moving = (next: PointerEvent): void => {
    move(next, next.offsetX - x, next.offsetY - y);
    [x, y] = [next.offsetX, next.offsetY];
  };
  const over = (): void => {
    canvas.removeEventListener('pointermove', moving);
    canvas.removeEventListener('pointerup', over);
    canvas.removeEventListener('pointercancel', over);
    end?.();
  };
  canvas.addEventListener('pointermove', moving);
  canvas.addEventListener('pointerup', over);
  canvas.addEventListener('pointercancel', over);
}

function panned(editor: Editor, screen: Screen): Dragging {
  return {
    move: (_, dx, dy) => {
      const view = screen.view();
      if (view) editor.camera.value = view.movedBy(dx, dy);
    },
  };
}

/** Right and left change the width, up and down the level. */
function windowed(editor: Editor, screen: Screen): Dragging {
  return {
    move: (_, dx, dy) => {
      const { pixels } = screen;
      if (pixels?.values === undefined) return;
      const { low, high } = screen.windowOf(pixels);
      const width = Math.max(1e-6, high - low);
      const level = (low + high) / 2 + (dy / 300) * width;
      const next = width * Math.exp(dx / 200);
      editor.window.value = { low: level - next / 2, high: level + next / 2 };
    },
  };
}

/** A point follows the pointer. When it is let go, a drawing that is whole is finished, and one that was there keeps the change. */
function pointed(editor: Editor, screen: Screen): Dragging {
  return {
    move: (event) => {
      const [view, draft, size] = [screen.view(), editor.draft.peek(), editor.size.peek()];
      if (!view || !draft || !size) return;
      const to: DrawnPoint = view.toSlice(event.offsetX, event.offsetY);
      editor.setDraft(moved(draft, to, size, editor.pixelSize.peek() ?? SQUARE));
    },
    end: () => editor.letGo(),
  };
}

function typed(event: TargetedKeyboardEvent<HTMLCanvasElement>, editor: Editor, screen: Screen): void {
  if (event.ctrlKey || event.metaKey) return;
  const draft = editor.draft.peek();
  const size = editor.size.peek();
  if (size === undefined) return;
  if (draft ? !drawnOn(event, editor, draft, size) : !lookedAt(event.key, editor, screen, size)) return;
  event.preventDefault();
}

/** @returns whether the key meant something */
function drawnOn(
  event: KeyboardEvent,
  editor: Editor,
  draft: NonNullable<ReturnType<Editor['draft']['peek']>>,
  size: NonNullable<ReturnType<Editor['size']['peek']>>,
): boolean {
  const next = keyed(draft, event, size);
  if (next) editor.setDraft(next);
  else if (event.key === 'Enter') editor.finish();
  else if (event.key === 'Escape') editor.cancel();
  else if (event.key === 'Delete' || event.key === 'Backspace') {
    if (draft.id === undefined) editor.cancel();
    else editor.remove(draft.id);
  } else return false;
  return true;
}

function lookedAt(key: string, editor: Editor, screen: Screen, size: NonNullable<ReturnType<Editor['size']['peek']>>): boolean {
  const view = screen.view();
  const { clientWidth, clientHeight } = screen.canvas;
  const tool = editor.tool.peek();
  const zoom = (factor: number): void => {
    if (view) editor.camera.value = view.zoomedAt(factor, clientWidth / 2, clientHeight / 2);
  };
  const steps: Readonly<Record<string, number>> = {
    ArrowUp: -1,
    ArrowLeft: -1,
    ArrowDown: 1,
    ArrowRight: 1,
    PageUp: -10,
    PageDown: 10,
    Home: -Infinity,
    End: Infinity,
  };
  const step = steps[key];
  if (step !== undefined) editor.goTo(editor.slice.peek() + step);
  else if (key === '+' || key === '=') zoom(1.25);
  else if (key === '-' || key === '−') zoom(0.8);
  else if (key === '0') editor.camera.value = FITTED;
  else if (key === 'Enter' && view && tool !== 'look' && tool !== 'window' && editor.canUse(tool))
    editor.setDraft(placed(tool, view.seen(), size));
  else return false;
  return true;
}
