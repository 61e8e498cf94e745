/** What the Data step shows and what is done to it: which slice of which scan, how it is looked at, and the drawing at hand. */
import { batch, computed, signal } from '@preact/signals';
import type { ReadonlySignal, Signal } from '@preact/signals';
import { checkAnnotation, LANDMARKS, planeOfOneSlice, sliceDimOf } from '../../src/data/drawn/annotation.ts';
import type { DrawnAnnotation, Shape, SliceSize } from '../../src/data/drawn/annotation.ts';
import type { Plane } from '../../src/data/planes.ts';
import type { PixelSize } from '../../src/data/drawn/measured.ts';
import type { Intensity, IntensityChoice, Window } from '../../src/data/medvision/intensity.ts';
import { UserError } from '../../src/platform.ts';
import type { Scan } from '../studio/project.ts';
import type { OpenProject, Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';
import { valueText } from './paint.ts';
import { History } from './history.ts';
import type { Moved } from './history.ts';
import type { ScanClient } from './scanClient.ts';
import { intensityFor, pixelSizeOf, sizeOf, structureOf, windowSeen } from './scanPixels.ts';
import type { Ranges } from './scanPixels.ts';
import { SliceCache } from './sliceCache.ts';
import { FITTED } from './sliceView.ts';
import type { Camera } from './sliceView.ts';
import { finished, hasLength, isComplete } from './tools.ts';
import type { Draft } from './tools.ts';

export type Tool = 'look' | 'window' | Shape;

export class Editor {
  readonly studio: Studio;
  readonly open: OpenProject;
  readonly client: ScanClient;
  readonly slices: SliceCache;
  readonly scanId: Signal<string | null>;
  readonly plane: Signal<Plane> = signal('axial');
  readonly slice: Signal<number> = signal(0);
  /** Of the scan: voxels along its axes, or height and width of a picture; null until it is read. */
  readonly shape: Signal<readonly number[] | null> = signal(null);
  readonly tool: Signal<Tool> = signal('look');
  /** null: as the model sees it. */
  readonly window: Signal<Window | null> = signal(null);
  readonly camera: Signal<Camera> = signal(FITTED);
  /** Of the slice that was shown last. */
  readonly ranges: Signal<Ranges> = signal({ minmax: { low: 0, high: 1 }, percentile: { low: 0, high: 1 } });
  readonly draft: Signal<Draft | null> = signal(null);
  readonly label: Signal<string> = signal('');
  readonly landmarks: Signal<readonly string[]> = signal(['', '', '', '']);
  /** Said to who cannot see the canvas, and shown below it. */
  readonly status: Signal<string> = signal('');
  /** What is wrong with the drawing at hand. */
  readonly problem: Signal<string> = signal('');

  readonly history = new History();

  readonly scan: ReadonlySignal<Scan | undefined>;
  /** null for pictures. */
  readonly shownPlane: ReadonlySignal<Plane | null>;
  readonly sliceCount: ReadonlySignal<number>;
  readonly size: ReadonlySignal<SliceSize | undefined>;
  readonly pixelSize: ReadonlySignal<PixelSize | null>;
  /** How the model sees the scan where what is at hand is asked for. */
  readonly intensity: ReadonlySignal<Intensity>;
  /** What is black and white on the slice that was shown last. */
  readonly shownWindow: ReadonlySignal<Window>;
  /** On the scan. */
  readonly annotations: ReadonlySignal<DrawnAnnotation[]>;
  /** On the slice that is shown. */
  readonly onSlice: ReadonlySignal<DrawnAnnotation[]>;

  constructor(studio: Studio, open: OpenProject, client: ScanClient) {
    this.studio = studio;
    this.open = open;
    this.client = client;
    this.slices = new SliceCache(client);
    this.scanId = signal(open.project.peek().scans[0]?.id ?? null);
    this.scan = computed(() => open.project.value.scans.find(({ id }) => id === this.scanId.value));
    this.shownPlane = computed(() => (this.scan.value?.kind === 'volume' ? this.plane.value : null));
    this.sliceCount = computed(() => {
      const plane = this.shownPlane.value;
      return plane === null ? 1 : (this.shape.value?.[sliceDimOf(plane)] ?? 1);
    });
    this.size = computed(() => sizeOf(this.shape.value, this.shownPlane.value));
    this.pixelSize = computed(() => (this.scan.value ? pixelSizeOf(this.scan.value, this.shownPlane.value) : null));
    this.intensity = computed(() => {
      const shape = this.draft.value?.shape ?? this.tool.value;
      const structure = shape === 'look' || shape === 'window' ? '' : structureOf({ shape, label: this.label.value });
      return this.scan.value ? intensityFor(this.scan.value, structure) : 'minmax';
    });
    this.shownWindow = computed(() => this.window.value ?? windowSeen(this.ranges.value, this.intensity.value));
    this.annotations = computed(() => open.project.value.annotations.filter(({ scan }) => scan === this.scanId.value));
    this.onSlice = computed(() =>
      this.annotations.value.filter(
        ({ plane, slice }) => plane === this.shownPlane.value && (plane === null || slice === this.slice.value),
      ),
    );
  }

  /** Reads the shape of the scan that is chosen, and begins in its middle. */
  async showScan(id: string | null): Promise<void> {
    this.settle();
    batch(() => {
      this.scanId.value = id;
      this.shape.value = null;
      this.window.value = null;
      this.camera.value = FITTED;
    });
    const { value: scan } = this.scan;
    if (scan === undefined) return;
    const shape = await this.client.shapeOf(scan);
    if (this.scanId.peek() !== id) return;
    batch(() => {
      this.shape.value = shape;
      if (scan.kind === 'volume') this.plane.value = planeOfOneSlice(shape) ?? this.plane.value;
      this.slice.value = Math.floor(this.sliceCount.value / 2);
    });
  }

  showPlane(plane: Plane): void {
    this.settle();
    batch(() => {
      this.plane.value = plane;
      this.slice.value = Math.floor(this.sliceCount.value / 2);
      this.camera.value = FITTED;
    });
  }

  goTo(slice: number): void {
    const next = Math.min(this.sliceCount.peek() - 1, Math.max(0, Math.round(slice)));
    if (next === this.slice.peek()) return;
    this.settle();
    this.slice.value = next;
  }

  /** Shown, and open for changes. */
  select(annotation: DrawnAnnotation): void {
    this.settle();
    batch(() => {
      if (annotation.plane !== null) this.plane.value = annotation.plane;
      this.slice.value = annotation.plane === null ? 0 : annotation.slice;
      this.tool.value = 'look';
      this.label.value = annotation.label;
      this.landmarks.value = Array.from({ length: 4 }, (_, i) => annotation.landmarks[i] ?? '');
      this.draft.value = { shape: annotation.shape, points: annotation.points, active: 0, id: annotation.id };
      this.problem.value = '';
    });
    this.tellPoint();
  }

  chooseTool(tool: Tool): void {
    this.settle();
    this.tool.value = tool;
  }

  /** Whether a tool can be used: lengths need the size of a pixel. */
  canUse(tool: Tool): boolean {
    return tool === 'look' || tool === 'window' || tool === 'box' || this.pixelSize.value !== null;
  }

  setDraft(draft: Draft | null): void {
    this.draft.value = draft;
    if (draft !== null) this.tellPoint();
  }

  tellPoint(): void {
    const { value: draft } = this.draft;
    if (draft === null) return;
    const [row = 0, column = 0] = draft.points[draft.active] ?? [];
    const value = isComplete(draft) ? this.#value(this.#annotationOf(draft, 'x')) : '';
    this.status.value = texts.data.pointAt(draft.active, draft.points.length, row, column, value);
  }

  /** Changes of a drawing that was there are kept; what was only begun is left, and told of where there is something to see of it. */
  settle(): void {
    const draft = this.draft.peek();
    if (draft !== null && draft.id !== undefined) this.finish();
    else if (draft !== null && hasLength(draft)) {
      const { unnamed, unfinished, tools } = texts.data;
      const why = isComplete(draft) && this.label.peek().trim() === '' ? unnamed : unfinished;
      this.studio.tell('warning', why(tools[draft.shape]));
    }
    this.draft.value = null;
    this.problem.value = '';
  }

  /** What the pointer has drawn is in the project, or it is said what it lacks. */
  letGo(): void {
    const { value: draft } = this.draft;
    if (draft === null || !hasLength(draft)) return;
    if (isComplete(draft)) this.finish({ stays: draft.id !== undefined });
    else if (draft.shape === 'angle' || draft.shape === 'ellipse') this.status.value = texts.data.secondLine[draft.shape];
  }

  /**
   * Into the project, if it is whole and has a name. What is wrong is said, and the drawing stays.
   * @param stays whether it can still be changed afterwards
   * @returns whether it is done
   */
  finish({ stays = false } = {}): boolean {
    const { value: draft } = this.draft;
    const { value: size } = this.size;
    const { value: scan } = this.scan;
    if (draft === null || size === undefined || scan === undefined || !isComplete(draft)) return false;
    const annotation = this.#annotationOf(draft, draft.id ?? crypto.randomUUID());
    try {
      checkAnnotation(annotation, size, texts.data.tools[draft.shape]);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.problem.value = error.message;
      this.status.value = error.message;
      return false;
    }
    const { annotations } = this.open.project.peek();
    const isThere = annotations.some(({ id }) => id === annotation.id);
    batch(() => {
      this.#change(isThere ? annotations.map((one) => (one.id === annotation.id ? annotation : one)) : [...annotations, annotation]);
      this.draft.value = stays ? { ...draft, points: annotation.points } : null;
      this.problem.value = '';
      this.status.value = texts.data.drawn(annotation.label, this.#value(annotation));
    });
    return true;
  }

  cancel(): void {
    batch(() => {
      this.draft.value = null;
      this.problem.value = '';
      this.status.value = '';
    });
  }

  remove(id: string): void {
    const { annotations } = this.open.project.peek();
    const gone = annotations.find((one) => one.id === id);
    if (gone === undefined) return;
    batch(() => {
      this.#change(annotations.filter((one) => one.id !== id));
      this.draft.value = null;
      this.status.value = texts.data.deleted(gone.label);
    });
  }

  rename(id: string, label: string): void {
    if (label.trim() === '') return;
    const { annotations } = this.open.project.peek();
    this.#change(annotations.map((one) => (one.id === id ? { ...one, label: label.trim() } : one)));
  }

  changeScan(id: string, some: Partial<Scan>): void {
    this.open.change({ scans: this.open.project.peek().scans.map((scan) => (scan.id === id ? { ...scan, ...some } : scan)) });
  }

  /** It is seen at once. */
  changeGrey(id: string, intensity: IntensityChoice): void {
    this.changeScan(id, { intensity });
    this.window.value = null;
  }

  add(annotations: readonly DrawnAnnotation[]): void {
    this.#change([...this.open.project.peek().annotations, ...annotations]);
  }

  /** A drawing that is only begun is left. */
  undo(): void {
    const { value: draft } = this.draft;
    if (draft !== null && draft.id === undefined) this.cancel();
    else this.#move((now) => this.history.undo(now), texts.data.undone);
  }

  redo(): void {
    this.#move((now) => this.history.redo(now), texts.data.redone);
  }

  #move(move: (now: readonly DrawnAnnotation[]) => Moved | undefined, words: (names: readonly string[]) => string): void {
    this.settle();
    const { annotations, scans } = this.open.project.peek();
    const moved = move(annotations);
    if (moved === undefined) return;
    const known = new Set(scans.map(({ id }) => id)); // a scan may have been removed since
    batch(() => {
      this.open.change({ annotations: moved.annotations.filter(({ scan }) => known.has(scan)) });
      const [first] = moved.changed;
      if (first !== undefined && first.plane !== null && first.scan === this.scanId.peek()) {
        this.plane.value = first.plane;
        this.slice.value = first.slice;
      }
      this.status.value = words([...new Set(moved.changed.map(({ label }) => label))]);
    });
  }

  #change(annotations: DrawnAnnotation[]): void {
    this.history.remember(this.open.project.peek().annotations, annotations);
    this.open.change({ annotations });
  }

  #annotationOf(draft: Draft, id: string): DrawnAnnotation {
    const label = this.label.value.trim();
    const isAngle = draft.shape === 'angle';
    const landmarks = Array.from(
      { length: LANDMARKS[draft.shape] },
      (_, i) => this.landmarks.value[i]?.trim() || texts.data.landmarkDefault(label, i, isAngle),
    );
    const plane = this.shownPlane.value;
    const on = { scan: this.scanId.value ?? '', plane, slice: plane === null ? 0 : this.slice.value };
    return finished(draft, on, { label, landmarks }, id, this.pixelSize.value ?? [1, 1]);
  }

  #value(annotation: DrawnAnnotation): string {
    return valueText(annotation, this.size.value, this.pixelSize.value);
  }
}
