/** The counters and the search of the header: which processes are shown. */

import { announce, h, mark, say } from './dom.js';
import { counts, STATES } from './model.js';

const SETTLE_MS = 700; // after the last letter, before it is told how many are left

/**
 * @param {() => void} changed called when something else is asked for
 */
export function mountFilter(changed) {
  const value = { states: new Set(), search: '' };
  const search = /** @type {HTMLInputElement} */ (document.getElementById('search'));
  const counters = document.getElementById('counters');
  /** @type {Map<string, any>} */
  const buttons = new Map();
  for (const [state, { sign, word }] of Object.entries(STATES)) {
    const number = h('b', { text: '0' });
    const tile = h('span', {
      class: 'tile',
      'aria-hidden': 'true',
      dataset: { state },
      text: sign,
    });
    const toggle = () => {
      if (!value.states.delete(state)) value.states.add(state);
      apply();
    };
    const button = h(
      'button',
      {
        type: 'button',
        class: 'counter',
        'aria-pressed': 'false',
        hidden: state !== 'RUNNING',
        dataset: { filter: state },
        on: { click: toggle },
      },
      tile,
      number,
      ' ',
      h('span', { text: word.toLowerCase() }),
    );
    button.number = number;
    buttons.set(state, button);
    counters.append(button);
  }

  let settled = 0;
  let left = 0;
  function apply() {
    value.search = search.value;
    for (const [state, button] of buttons)
      mark(button, 'aria-pressed', String(value.states.has(state)));
    changed();
    clearTimeout(settled);
    settled = setTimeout(
      () => announce(on() ? `${left} processes shown` : 'All processes shown'),
      SETTLE_MS,
    );
  }
  const on = () => value.states.size > 0 || value.search.trim() !== '';

  search.addEventListener('input', apply);
  search.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    if (!search.value) search.blur();
    search.value = '';
    value.states.clear();
    apply();
  });
  // A browser puts back what was searched for before the page was loaded anew.
  value.search = search.value;

  return {
    value,
    /** Whether anything is left out on purpose. */
    on,
    /** Show how many processes are in each state; `shown` of them pass. */
    count(processes, shown) {
      left = shown;
      const found = counts(processes);
      for (const [state, button] of buttons) {
        say(button.number, String(found[state] ?? 0));
        button.hidden = state !== 'RUNNING' && !found[state] && !value.states.has(state);
      }
    },
  };
}
