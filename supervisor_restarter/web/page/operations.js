/** Operations: those in motion above, past ones below; one of them is open, with its picture. */

import { announce, h, keyed, say } from './dom.js';
import { plain } from './model.js';
import { OperationView } from './operation.js';
import { openProcess } from './process.js';
import { capital, stateWord, title } from './wording.js';

const HASH = /^#restart-([\w-]+)$/;
const ARRIVAL = 5000; // ms in which an operation that was asked for is told of
const TICK = 250; // ms between two looks at the clock, while something runs

let open = () => {};

/** Show an operation in full, whether it runs or is over. */
export function openOperation(id) {
  open(id);
}

/**
 * @param {HTMLElement} root has the sections #running, for those in motion, and #past
 * @param {EventTarget} live
 */
export function mountOperations(root, live) {
  new Operations(root.querySelector('#running'), root.querySelector('#past'), live);
}

class Operations {
  #live;
  #running = h('div', { class: 'operations' });
  #past = h('div', { class: 'operations' });
  #sections;
  #heading;
  #views = new Map();
  #wanted = null; // the id of the one that is to be open, '' for none, null: the newest that runs
  #followed = ''; // the id of the one that is open because it was the newest that ran
  #openId = '';
  #arriving = '';
  #clicked = false;
  #above = new Set(); // ids of those that are shown above: in motion, or open since they were
  #told = new Map(); // of each id the state of which was told
  #timer = 0;

  constructor(running, past, live) {
    this.#live = live;
    running.append(this.#running);
    past.append(this.#past);
    this.#sections = [running, past];
    this.#heading = running.querySelector('h2');
    open = (id) => this.#open(id);
    addEventListener('hashchange', () => this.#follow());
    live.addEventListener('change', ({ detail: changes }) => {
      if (changes.full || changes.restarts || changes.detail) this.#show();
    });
    this.#follow();
    this.#show();
  }

  #follow() {
    const id = HASH.exec(location.hash)?.[1];
    if (id && id !== this.#wanted) this.#open(id);
  }

  /** clicked: it is where the user looks; else it is gone to. */
  #open(id, clicked = false) {
    this.#clicked = clicked;
    this.#wanted = id;
    history.replaceState(null, '', id ? `#restart-${id}` : location.pathname);
    this.#arriving = id;
    setTimeout(() => {
      if (this.#arriving === id) this.#arriving = ''; // there is none of that id
    }, ARRIVAL);
    this.#show();
  }

  /** Go to the one that is to be opened, as soon as it is there. */
  #arrive() {
    const view = this.#views.get(this.#arriving);
    if (!view) return;
    this.#arriving = '';
    view.element.scrollIntoView({ block: this.#clicked ? 'nearest' : 'start' });
    view.element.querySelector('.op-head').focus({ preventScroll: true });
  }

  #show() {
    const current = this.#current(this.#live.state.restarts);
    this.#openId = current;
    this.#live.watch(current || null);
    const { restarts, detail } = this.#live.state;
    for (const restart of restarts) {
      if (!restart.finished_at) this.#above.add(restart.id);
      else if (restart.id !== current) this.#above.delete(restart.id);
    }
    const above = restarts.filter(({ id }) => this.#above.has(id));
    const below = restarts.filter(({ id }) => !this.#above.has(id));
    for (const [list, some] of [
      [this.#running, above],
      [this.#past, below],
    ]) {
      keyed(
        list,
        some,
        ({ id }) => id,
        () => h('div', {}),
        (place, one) => {
          const view = this.#view(one.id);
          if (view.element.parentNode !== place) place.append(view.element);
          view.update(
            one,
            detail?.id === one.id && detail.restart ? detail : null,
            one.id === current,
          );
        },
      );
    }
    this.#forget(restarts);
    this.#tell(restarts);
    this.#sections[0].hidden = !above.length;
    const moving = above.some((one) => !one.finished_at);
    say(this.#heading, moving ? 'Running' : 'Just ended');
    this.#sections[1].hidden = !below.length;
    this.#keepTime(moving);
    this.#arrive();
  }

  /** The id of the one that is open, '' for none. One that begins takes the place of one that ended. */
  #current(restarts) {
    const queuedLast = (a, b) => (a.state === 'queued') - (b.state === 'queued');
    const running = restarts
      .filter((one) => !one.finished_at)
      .sort(queuedLast)
      .map(({ id }) => id);
    const begun = running.find((id) => !this.#above.has(id));
    const known = restarts.some((one) => one.id === this.#wanted);
    const over = this.#above.has(this.#wanted) && !running.includes(this.#wanted);
    const looksElsewhere = this.#arriving || (known && !over);
    if (begun && !looksElsewhere) this.#wanted = null;
    if (this.#wanted === null && running.length && !running.includes(this.#followed)) {
      this.#followed = running[0];
    }
    const id = this.#wanted ?? this.#followed;
    return restarts.some((one) => one.id === id) ? id : '';
  }

  #view(id) {
    let view = this.#views.get(id);
    if (!view) {
      const acts = {
        toggle: (one) => this.#open(this.#openId === one ? '' : one, true),
        open: (one) => this.#open(one),
        openProcess: (process) => this.#openProcess(process),
      };
      view = new OperationView(id, this.#live, acts);
      this.#views.set(id, view);
    }
    return view;
  }

  #forget(restarts) {
    const known = new Set(restarts.map(({ id }) => id));
    for (const [id, view] of this.#views) {
      if (known.has(id)) continue;
      view.close();
      this.#views.delete(id);
      this.#above.delete(id);
      this.#told.delete(id);
    }
  }

  /** Say to those who do not see the picture how operations go that began under their eyes. */
  #tell(restarts) {
    for (const restart of restarts) {
      const word = stateWord(restart);
      const before = this.#told.get(restart.id);
      this.#told.set(restart.id, word);
      if (before && before !== word) {
        announce(`${capital(title(restart))} of ${plain(restart.groups.join(', '))}: ${word}`);
      }
    }
  }

  #openProcess({ group, name }) {
    const found = this.#live.state.processes.find((p) => p.group === group && p.name === name);
    if (found) openProcess(found);
  }

  #keepTime(moving) {
    clearInterval(this.#timer);
    if (moving) {
      this.#timer = setInterval(() => {
        for (const id of this.#above) this.#views.get(id)?.tick();
      }, TICK);
    }
  }
}
