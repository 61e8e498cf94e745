/**
 * Who goes by keyboard or ear stays where they are: where the control that has the focus is taken away, or cannot be used any more, a
 * browser lets the focus fall to the page's beginning. It goes to what lay beside the control instead, or around it.
 */

/** @param root what views are drawn in; where all of it is replaced, whoever replaced it says where the focus goes */
export function keepFocus(root: HTMLElement): void {
  let last: HTMLElement | null = null;
  /** What lay where the control was taken away, nearest first. */
  let around: Element[] = [];
  let isAsked = false;
  const look = (): void => {
    isAsked = false;
    const gone = last;
    if (gone === null || isUsable(gone) || (document.activeElement ?? document.body) !== document.body) return;
    last = null;
    const places = gone.isConnected ? ancestors(gone) : around;
    places.some((one) => one instanceof HTMLElement && one !== root && root.contains(one) && hasTaken(one));
  };
  // The browser moves the focus after it has drawn.
  const soon = (): void => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => setTimeout(look));
  };
  root.addEventListener('focusin', ({ target }) => {
    last = target instanceof HTMLElement ? target : null;
    around = [];
  });
  root.addEventListener('focusout', () => {
    // To nowhere, by the person.
    setTimeout(() => {
      if (last !== null && isUsable(last) && document.activeElement === document.body) last = null;
    });
  });
  new MutationObserver((changes) => {
    if (last === null || isUsable(last)) return;
    for (const { target, removedNodes, nextSibling, previousSibling } of changes) {
      if (![...removedNodes].some((node) => node.contains(last))) continue;
      const beside = [elementFrom(nextSibling, 'nextSibling'), elementFrom(previousSibling, 'previousSibling')];
      around = [...beside.filter((one) => one !== null), target as Element, ...ancestors(target as Element)];
    }
    soon();
  }).observe(root, { subtree: true, childList: true, attributeFilter: ['disabled'] });
}

const isUsable = (element: HTMLElement): boolean => element.isConnected && !element.matches(':disabled');

function ancestors(of: Element): Element[] {
  const found: Element[] = [];
  for (let one = of.parentElement; one !== null; one = one.parentElement) found.push(one);
  return found;
}

function elementFrom(node: Node | null, on: 'nextSibling' | 'previousSibling'): Element | null {
  for (let one = node; one !== null; one = one[on]) if (one instanceof Element) return one;
  return null;
}

/** What is no control is looked at, not pressed: the next one from there is a Tab away. */
function hasTaken(place: HTMLElement): boolean {
  place.focus();
  if (document.activeElement !== place && !place.hasAttribute('tabindex')) {
    place.tabIndex = -1;
    place.focus();
  }
  return document.activeElement === place;
}
