/** Which GPU the worker found. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { GpuFound } from '../studio/gpu.ts';
import type { Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';

export function GpuLine({ studio }: { studio: Studio }): JSX.Element {
  const [found, setFound] = useState<GpuFound | 'looking' | 'none'>('looking');
  useEffect(() => {
    studio.worker
      .peek()
      .own.describeGpu()
      .then(setFound, (error: unknown) => {
        setFound('none');
        studio.failed(error);
      });
  }, [studio]);
  if (typeof found === 'string') return <p class="gpu">{texts.gpu[found]}</p>;
  return (
    <p class="gpu" title={found.computes}>
      {found.name}
      {found.isSoftware && ` · ${texts.gpu.software}`}
    </p>
  );
}
