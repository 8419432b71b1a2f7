/**
 * Moving between tiles, by keyboard and pointer, and the card that says what one stands for.
 *
 * Tab goes from group to group: in each, one tile can be reached by it, and the arrow keys go on
 * from there, over the borders of groups.
 */

import { h, say } from './dom.js';

const GAP = 8; // pixels between tile and card

/**
 * @param {HTMLElement} list of groups with `.tiles`
 * @param {{describe: (tile: any) => {heading: string, state: string, rest: string[]},
 *   open: (tile: any) => void}} does
 * @returns {{refresh: () => void}}
 */
export function mountTiles(list, { describe, open }) {
  const heading = h('b');
  const state = h('span', { class: 'badge' });
  const rest = h('span', { class: 'rest' });
  const card = h(
    'div',
    { class: 'card', hidden: true, 'aria-hidden': 'true' },
    heading,
    state,
    rest,
  );
  document.body.append(card);

  const tileAt = ({ target }) => target.closest?.('.tile');
  list.addEventListener('click', (event) => tileAt(event) && open(tileAt(event)));
  list.addEventListener('pointerover', (event) => {
    if (event.pointerType === 'touch') return;
    if (tileAt(event)) show(tileAt(event));
    else hide();
  });
  list.addEventListener('pointerleave', hide);
  list.addEventListener('focusin', (event) => {
    const tile = tileAt(event);
    if (!tile) return hide();
    for (const other of tile.parentNode.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
    tile.tabIndex = 0;
    if (tile.matches(':focus-visible')) show(tile);
  });
  list.addEventListener('focusout', hide);
  addEventListener('scroll', hide, { passive: true });
  addEventListener('keydown', (event) => event.key === 'Escape' && hide());
  list.addEventListener('keydown', (event) => {
    const tile = tileAt(event);
    if (!tile || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = toward(event.key, tile, list);
    if (!next) return;
    event.preventDefault();
    next.focus({ focusVisible: true });
  });
  document.getElementById('search').addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowDown') return;
    event.preventDefault();
    visible(list)[0]?.focus({ focusVisible: true });
  });

  let described = null;
  function show(tile) {
    described = tile;
    const { heading: name, state: word, rest: facts } = describe(tile);
    say(heading, name);
    say(state, word);
    state.dataset.state = word;
    say(rest, facts.join('\n'));
    card.hidden = false;
    const at = tile.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = card;
    const left = Math.max(
      GAP,
      Math.min(at.left + at.width / 2 - width / 2, innerWidth - width - GAP),
    );
    const above = at.bottom + GAP + height > innerHeight;
    card.style.left = `${left}px`;
    card.style.top = `${above ? Math.max(GAP, at.top - GAP - height) : at.bottom + GAP}px`;
  }

  function hide() {
    card.hidden = true;
  }

  return {
    /** What the card says may have changed. */
    refresh() {
      if (card.hidden) return;
      if (described.isConnected && !described.hidden) show(described);
      else hide();
    },
  };
}

/** Each group keeps one tile that Tab can reach, and it is one that is shown. */
export function keepReachable(tiles) {
  const reached = tiles.querySelector('[tabindex="0"]');
  if (reached && !reached.hidden) return;
  if (reached) reached.tabIndex = -1;
  const first = tiles.querySelector('.tile:not([hidden])');
  if (first) first.tabIndex = 0;
}

const visible = (root) => [...root.querySelectorAll('.group:not([hidden]) .tile:not([hidden])')];

function toward(key, tile, list) {
  const all = visible(list);
  const place = all.indexOf(tile);
  const group = all.filter((one) => one.parentNode === tile.parentNode);
  switch (key) {
    case 'ArrowRight':
      return all[place + 1];
    case 'ArrowLeft':
      return all[place - 1];
    case 'Home':
      return group[0];
    case 'End':
      return group.at(-1);
    case 'ArrowDown':
      return nearest(tile, all.slice(place + 1), 1);
    case 'ArrowUp':
      return nearest(tile, all.slice(0, place).reverse(), -1);
    default:
      return null;
  }
}

/** Of the next row above or below, the tile that is nearest to straight on. */
function nearest(tile, others, direction) {
  const from = tile.getBoundingClientRect();
  let row = null;
  let best = null;
  let least = Number.POSITIVE_INFINITY;
  for (const other of others) {
    const at = other.getBoundingClientRect();
    if (Math.abs(at.top - from.top) < 2 || (at.top - from.top) * direction < 0) continue;
    row ??= at.top;
    if (Math.abs(at.top - row) > 2) break;
    const distance = Math.abs(at.left + at.width / 2 - from.left - from.width / 2);
    if (distance < least) [best, least] = [other, distance];
  }
  return best;
}
