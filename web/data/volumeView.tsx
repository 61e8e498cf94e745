/** The whole volume in three planes, by NiiVue, whose code comes when it is asked for. It is for looking: drawings belong to slices. */
import type { Niivue } from '@niivue/niivue';
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Scan } from '../studio/project.ts';
import { texts } from '../texts.ts';
import type { Editor } from './editor.ts';

export function VolumeView({ editor, scan }: { editor: Editor; scan: Scan }): JSX.Element {
  const [isOpen, setOpen] = useState(false);
  return (
    <section aria-label={texts.data.volumeView}>
      <p>
        <button type="button" class="plain" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? texts.data.volumeClose : texts.data.volumeOpen}
        </button>
      </p>
      {isOpen && <Planes key={scan.id} editor={editor} scan={scan} />}
    </section>
  );
}

function Planes({ editor, scan }: { editor: Editor; scan: Scan }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [isReady, setReady] = useState(false);
  useEffect(() => {
    let viewer: Niivue | undefined;
    let isShown = true;
    const show = async (): Promise<void> => {
      const [{ Niivue: Viewer, SLICE_TYPE: types }, blob] = await Promise.all([
        import('@niivue/niivue'),
        editor.studio.files.blob?.(scan.file),
      ]);
      const element = canvas.current;
      if (!isShown || element === null || blob === undefined) return;
      viewer = new Viewer({
        dragAndDropEnabled: false,
        isResizeCanvas: true,
        crosshairWidth: 0.5,
        sliceType: types.MULTIPLANAR,
        backColor: [0, 0, 0, 1],
      });
      await viewer.attachToCanvas(element);
      await viewer.loadFromArrayBuffer(await blob.arrayBuffer(), scan.file);
      if (isShown) setReady(true);
    };
    show().catch((error: unknown) => editor.studio.failed(error));
    return () => {
      isShown = false;
      // The browser keeps few contexts at a time.
      viewer?.gl.getExtension('WEBGL_lose_context')?.loseContext();
    };
  }, [editor, scan.file]);
  return (
    <>
      <p class="help" role="status">
        {isReady ? texts.data.volumeHelp : texts.data.volumeLoading}
      </p>
      <div class="volume">
        <canvas ref={canvas} role="img" aria-label={texts.data.volumeOf(scan.name)} data-ready={isReady} />
      </div>
    </>
  );
}
