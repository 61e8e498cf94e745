/** A view whose code is fetched when it is first shown. */
import type { ComponentType, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';

export interface LoadedProps<Props> {
  load: () => Promise<ComponentType<Props>>;
  props: Props;
  failed: (error: unknown) => void;
}

export function Loaded<Props extends object>({ load, props, failed }: LoadedProps<Props>): JSX.Element {
  const [View, setView] = useState<ComponentType<Props> | null>(null);
  useEffect(() => {
    let isShown = true;
    load().then((found) => isShown && setView(() => found), failed);
    return () => {
      isShown = false;
    };
  }, [load]);
  return View === null ? <p aria-busy="true">…</p> : <View {...props} />;
}
