/** A control with its name, and help below it. */
import type { ComponentChildren, JSX } from 'preact';
import { useId } from 'preact/hooks';

export interface FieldProps {
  label: string;
  help?: string | undefined;
  /** What is wrong with the value, in words. */
  error?: string | undefined;
  /** @param ids for the control: its own, and that of what describes it */
  children: (ids: { id: string; 'aria-describedby': string | undefined; 'aria-invalid': boolean }) => ComponentChildren;
}

export function Field({ label, help, error, children }: FieldProps): JSX.Element {
  const id = useId();
  const described = help !== undefined || error !== undefined;
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, 'aria-describedby': described ? `${id}-help` : undefined, 'aria-invalid': error !== undefined })}
      {described && (
        <p id={`${id}-help`} class="help">
          {error !== undefined && <strong class="wrong">{error} </strong>}
          {help}
        </p>
      )}
    </div>
  );
}
