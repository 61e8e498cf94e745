/** How far something is; without a share, only that it goes on. */
import type { JSX } from 'preact';

export function Progress({ label, share }: { label: string; share?: number | undefined }): JSX.Element {
  return (
    <p class="progress">
      <progress aria-label={label} {...(share !== undefined && { value: Math.min(1, share) })} max={1} /> <span role="status">{label}</span>
    </p>
  );
}
