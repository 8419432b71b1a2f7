/** One operation as an element: a line that opens, and then everything that is known of it. */

import { Details } from './details.js';
import { h } from './dom.js';
import { age, plain } from './model.js';
import { elapsed, span } from './timeline.js';
import { ended, isApply, isRollingBack, oldStopping, stateWord, title, when } from './wording.js';

const NBSP = '\u00a0';
const SHAPES = {
  queued: '…',
  running: '▶',
  'rolling back': '◀',
  succeeded: '✓',
  failed: '✕',
  cancelled: '■',
  'timed out': '◷',
  'rolled back': '↶',
};

export class OperationView {
  #live;
  #acts;
  #restart = null;
  #details = null; // what is shown while it is open
  #state = h('span', { class: 'op-state' });
  #what = h('span', { class: 'op-what' });
  #facts = h('span', { class: 'op-facts' });
  #bar = h('progress', { class: 'op-bar', max: '1', value: '0', 'aria-label': 'done' });
  #button;

  /** acts: {toggle(id), openProcess(process), open(id)} */
  constructor(id, live, acts) {
    this.#live = live;
    this.#acts = acts;
    const toggle = { click: () => acts.toggle(id) };
    this.#button = h(
      'button',
      { type: 'button', class: 'op-head', 'aria-expanded': 'false', on: toggle },
      this.#state,
      this.#what,
      this.#facts,
    );
    this.element = h(
      'article',
      { class: 'operation', id: `operation-${id}`, dataset: { restart: id } },
      this.#button,
      this.#bar,
    );
  }

  /** restart: its header; detail: of it, {restart, processes, ready}, or null; open: shown in full. */
  update(restart, detail, open) {
    this.#restart = detail ? { ...restart, ...detail.restart } : restart;
    const word = stateWord(this.#restart);
    this.element.dataset.state = restart.state;
    this.element.classList.toggle('back', isRollingBack(restart));
    this.#state.textContent = `${SHAPES[word] ?? ''} ${word}`;
    this.#what.textContent = `${plain(restart.groups.join(', '))}`;
    this.#button.setAttribute('aria-expanded', String(open));
    this.#bar.hidden = ended(restart) && Boolean(restart.finished_at);
    this.#bar.value = restart.total ? restart.done / restart.total : 0;
    this.tick();
    if (open && !this.#details) this.#open();
    if (!open && this.#details) this.#close();
    this.#details?.update(this.#restart, detail);
  }

  /** Time has gone on. */
  tick() {
    const facts = summary(this.#restart, this.#live.serverNow());
    if (this.#facts.textContent !== facts) this.#facts.textContent = facts;
    this.#details?.tick();
  }

  #open() {
    this.#details = new Details(this.#live, this.#acts);
    this.element.append(this.#details.element);
  }

  #close() {
    this.#details.close();
    this.#details.element.remove();
    this.#details = null;
  }

  close() {
    if (this.#details) this.#close();
  }
}

/** The line of an operation: how far it is, how it went. */
function summary(restart, now) {
  // A line is broken between the facts only.
  return facts(restart, now)
    .map((fact) => fact.replaceAll(' ', NBSP))
    .join(`${NBSP}· `);
}

function facts(restart, now) {
  if (!restart.started_at) return [title(restart), `asked for ${when(restart.requested_at, now)}`];
  const parts = [title(restart), `${restart.done} of ${restart.total} done`];
  if (restart.failed) parts.push(`${restart.failed} failed`);
  if (restart.killed) parts.push(`${restart.killed} killed`);
  if (!restart.finished_at) {
    const old = oldStopping(restart);
    if (old) parts.push(old);
    return [...parts, `${restart.ready} ready`, `for ${age(elapsed(restart, now))}`];
  }
  // An apply that only removes processes leaves none that could be ready.
  const counts = !isApply(restart) || restart.lowest_ready;
  return [
    ...parts,
    ...(counts ? [`at least ${restart.lowest_ready} ready throughout`] : []),
    span(restart.duration ?? elapsed(restart, now)),
    when(restart.started_at, now),
  ];
}
