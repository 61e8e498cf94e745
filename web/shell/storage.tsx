/** How much of the browser's storage is used, said before it is used up, and whether the browser may clear it. */
import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { bytesText } from '../../src/track/console.ts';
import type { Studio } from '../studio/studio.ts';
import { texts } from '../texts.ts';

/** Below this many bytes, or this share, the person is told. */
const LITTLE_BYTES = 500e6;
const LITTLE_SHARE = 0.1;
const EVERY_MS = 10_000;

interface Room {
  used: number;
  quota: number;
  isKept: boolean;
}

export function Storage({ studio }: { studio: Studio }): JSX.Element | null {
  const [room, setRoom] = useState<Room | null>(null);
  useEffect(() => {
    let wasLittle = false;
    const look = async (): Promise<void> => {
      const [{ usage: used = 0, quota = 0 }, isKept] = await Promise.all([navigator.storage.estimate(), navigator.storage.persisted()]);
      setRoom({ used, quota, isKept });
      const left = quota - used;
      const isLittle = left < LITTLE_BYTES || left < quota * LITTLE_SHARE;
      if (isLittle && !wasLittle) studio.tell('warning', texts.storage.nearlyFull(bytesText(Math.max(0, left))));
      wasLittle = isLittle;
    };
    const again = (): void => void look().catch((error: unknown) => studio.failed(error));
    again();
    const timer = setInterval(again, EVERY_MS);
    return () => clearInterval(timer);
  }, [studio]);
  if (room === null) return null;
  const keep = async (): Promise<void> => {
    const isKept = await navigator.storage.persist();
    setRoom({ ...room, isKept });
    if (!isKept) studio.tell('info', texts.storage.refused);
  };
  return (
    <div class="storage">
      <meter aria-label={texts.storage.label} min={0} max={room.quota} value={room.used} />{' '}
      {texts.storage.used(bytesText(room.used), bytesText(room.quota))}; {room.isKept ? texts.storage.kept : texts.storage.notKept}
      {!room.isKept && (
        <button type="button" class="plain" onClick={() => void keep()}>
          {texts.storage.keep}
        </button>
      )}
    </div>
  );
}
