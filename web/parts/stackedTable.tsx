/**
 * A table whose rows become blocks on narrow screens, each cell below its head, so that nothing lies beyond the edge. Roles are said, since
 * browsers take them from tables that are not laid out as such.
 */
import type { ComponentChildren, JSX } from 'preact';
import './stackedTable.css';

export interface StackedTableProps {
  class: string;
  heads: readonly string[];
  /** Rows: `<tr role="row">`. */
  children: ComponentChildren;
}

export function StackedTable({ class: own, heads, children }: StackedTableProps): JSX.Element {
  return (
    <table class={`stacked ${own}`} role="table">
      <thead role="rowgroup">
        <tr role="row">
          {heads.map((head) => (
            <th key={head} scope="col" role="columnheader">
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">{children}</tbody>
    </table>
  );
}

export function Cell({ head, class: own, children }: { head: string; class?: string; children: ComponentChildren }): JSX.Element {
  return (
    <td role="cell" class={own} data-head={head}>
      {children}
    </td>
  );
}
