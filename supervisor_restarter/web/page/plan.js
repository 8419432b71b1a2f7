/** The plan of a restart: its options, what it would do, and the button that does it. */

import { h, keyed, openDialog, toast } from './dom.js';
import { inWords } from './http.js';
import { namespec } from './model.js';
import { openOperation } from './operations.js';
import { OptionForm } from './options.js';
import {
  availability,
  batchWords,
  hookWords,
  leftLines,
  longestWords,
  oddAction,
  wouldDo,
} from './planwords.js';
import { call } from './rpc.js';
import { capital, processes, verbs } from './wording.js';

const MOST_BATCHES = 12; // that are shown without being asked for
const MOST_NAMES = 60;

/**
 * Show what a restart of these names would do; it begins when its button is pressed.
 *
 * @param {string[]} names as startRestart takes them
 * @param {string} title
 */
export function openPlan(names, title) {
  new Plan(names, title).ask();
}

class Plan {
  #names;
  #dialog;
  #form = new OptionForm('restart', () => this.ask());
  #asked = 0;
  #everything = false; // all batches are shown
  #plan = null;
  #told = h('p', { class: 'plan-told', role: 'status', text: 'Asking…' });
  #facts = h('ul', { class: 'plan-facts' });
  #warnings = h('ul', { class: 'warnings', 'aria-label': 'Warnings' });
  #batches = h('ol', { class: 'batches', 'aria-label': 'Batches' });
  #more = h('button', {
    type: 'button',
    class: 'link',
    hidden: true,
    on: { click: () => this.#showAll() },
  });
  #left = h('ul', { class: 'plan-left', 'aria-label': 'Left alone' });
  #view = h(
    'div',
    { class: 'plan-view' },
    this.#told,
    this.#facts,
    this.#warnings,
    this.#batches,
    this.#more,
    this.#left,
  );
  #go = h('button', {
    type: 'button',
    class: 'primary',
    dataset: { action: 'restart' },
    text: 'Restart',
    disabled: true,
    on: { click: () => this.#start() },
  });

  constructor(names, title) {
    this.#names = names;
    // Its button begins what is shown, not what is still to be asked for.
    this.#form.element.addEventListener('input', () => {
      this.#go.disabled = true;
    });
    const stop = { click: () => this.#dialog.close() };
    const content = h(
      'div',
      { class: 'plan' },
      this.#form.element,
      this.#view,
      h(
        'div',
        { class: 'actions' },
        h('button', { type: 'button', text: 'Close', on: stop }),
        this.#go,
      ),
    );
    this.#dialog = openDialog(title, content, { id: 'plan', wide: true });
  }

  /** Ask for the plan with the options as they are now. */
  async ask() {
    const number = ++this.#asked;
    const options = this.#form.values;
    this.#go.disabled = true;
    try {
      const plan = await call('planRestart', this.#names, options);
      if (number !== this.#asked) return;
      this.#form.setProblem('');
      this.#view.classList.remove('outdated');
      this.#form.setDefaults(plan.options);
      this.#show(plan);
    } catch (error) {
      if (number !== this.#asked) return;
      this.#view.classList.add('outdated');
      if (!this.#plan) this.#told.textContent = 'There is no plan.';
      this.#form.setProblem(inWords(error));
    }
  }

  #show(plan) {
    this.#plan = plan;
    const [verb] = verbs(plan);
    this.#told.textContent = `${capital(wouldDo(plan))}.`;
    this.#go.textContent = plan.total
      ? `${capital(verb)} ${processes(plan.total)}`
      : `Nothing to ${verb}`;
    this.#go.disabled = !plan.total;
    lines(
      this.#facts,
      [longestWords(plan), ...availability(plan), hookWords(plan)].filter(Boolean),
    );
    lines(this.#warnings, plan.warnings);
    lines(this.#left, leftLines(plan));
    this.#showBatches();
  }

  #showBatches() {
    const { batches } = this.#plan;
    const shown = this.#everything ? batches : batches.slice(0, MOST_BATCHES);
    this.#batches.replaceChildren(...shown.map((batch) => this.#batch(batch)));
    this.#more.hidden = shown.length === batches.length;
    this.#more.textContent = `Show the other ${batches.length - shown.length} batches`;
  }

  #showAll() {
    this.#everything = true;
    this.#showBatches();
  }

  #batch(batch) {
    const some = batch.processes.slice(0, MOST_NAMES);
    const names = some.map((p) => h('li', { text: namespec(p) + oddAction(this.#plan, p) }));
    const more = batch.processes.length - some.length;
    return h(
      'li',
      { value: batch.number },
      h('div', {
        class: 'batch-when',
        text: `${processes(batch.processes.length)}: ${batchWords(batch)}`,
      }),
      h('ul', { class: 'names' }, ...names, more ? h('li', { text: `and ${more} more` }) : null),
    );
  }

  async #start() {
    this.#go.disabled = true;
    try {
      const id = await call('startRestart', this.#names, this.#form.values);
      this.#dialog.close();
      openOperation(id);
    } catch (error) {
      this.#go.disabled = false;
      const text = inWords(error);
      this.#form.setProblem(text);
      toast(text, 'error');
    }
  }
}

/** A list of lines, hidden where there are none. */
function lines(list, texts) {
  list.hidden = !texts.length;
  keyed(
    list,
    texts,
    (text) => text,
    (text) => h('li', { text }),
    () => {},
  );
}
