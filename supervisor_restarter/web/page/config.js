/** The configuration files against what runs: asked for by a button, shown as a diff, applied. */

import { entries, groupBecomes, SIGNS, wouldChange } from './configwords.js';
import { h, keyed, openDialog } from './dom.js';
import { inWords } from './http.js';
import { plain } from './model.js';
import { openOperation } from './operations.js';
import { OptionForm } from './options.js';
import { call } from './rpc.js';
import { capital } from './wording.js';

const LONG = 70; // characters of old and new value that have room beside each other
const UNSET = '(not set)';

/** @param {HTMLElement} root @param {EventTarget} live */
export function mountConfig(root, live) {
  new Config(root, live);
}

class Config {
  #live;
  #plan = null;
  #askedAt = 0;
  #compare = h('button', {
    type: 'button',
    dataset: { action: 'compare' },
    on: { click: () => this.#ask() },
  });
  #apply = h('button', {
    type: 'button',
    class: 'primary',
    dataset: { action: 'apply' },
    text: 'Apply…',
    hidden: true,
    on: { click: () => this.#openApply('', 'all groups') },
  });
  #told = h('p', { class: 'config-told', role: 'status' });
  #notes = h('ul', { class: 'warnings', hidden: true, 'aria-label': 'Warnings' });
  #groups = h('div', { class: 'config-groups' });

  constructor(root, live) {
    this.#live = live;
    root.append(
      h('div', { class: 'config-actions' }, this.#compare, this.#apply),
      this.#told,
      this.#notes,
      this.#groups,
    );
    this.#reset();
    live.addEventListener('change', ({ detail }) => this.#changed(detail));
  }

  #reset() {
    this.#plan = null;
    this.#compare.textContent = 'Compare with the files';
    this.#told.textContent =
      'What the configuration files, as they are now, would change. supervisord reads them when you ask.';
    this.#told.classList.remove('problem');
    this.#show();
  }

  /** What is shown holds no longer when an apply has ended since, or supervisord was reloaded. */
  #changed({ full } = {}) {
    if (!this.#plan) return;
    const since = this.#live.state.restarts.some(
      (one) => one.kind === 'apply' && Date.parse(one.finished_at) > this.#askedAt,
    );
    if (since || full) this.#reset();
  }

  async #ask() {
    this.#compare.disabled = true;
    this.#told.textContent = 'Reading the files…';
    try {
      this.#plan = await call('planConfig', [], {});
      this.#askedAt = this.#live.serverNow();
      this.#told.textContent = `${capital(wouldChange(this.#plan))}.`;
      this.#told.classList.remove('problem');
    } catch (error) {
      this.#plan = null;
      this.#told.textContent = inWords(error);
      this.#told.classList.add('problem');
    }
    this.#compare.disabled = false;
    this.#compare.textContent = 'Compare again';
    this.#show();
  }

  #show() {
    const groups = this.#plan?.groups ?? [];
    this.#apply.hidden = !groups.length;
    this.#groups.replaceChildren(...groups.map((group) => this.#group(group, groups.length > 1)));
    const { reload = [], warnings = [] } = this.#plan ?? {};
    const own = reload.length ? [`only a reload of supervisord applies: ${reload.join(', ')}`] : [];
    const texts = [...own, ...warnings];
    this.#notes.hidden = !texts.length;
    keyed(
      this.#notes,
      texts,
      (text) => text,
      (text) => h('li', { text: plain(text) }),
      () => {},
    );
  }

  #group(group, several) {
    const name = plain(group.group);
    const alone = h('button', {
      type: 'button',
      dataset: { action: 'apply' },
      text: 'Apply…',
      'aria-label': `Apply ${name} alone…`,
      on: { click: () => this.#openApply([group.group], name) },
    });
    const becomes = groupBecomes(group);
    return h(
      'section',
      { class: 'config-group', dataset: { group: group.group } },
      h(
        'header',
        {},
        h('h3', { class: 'config-name', text: name }),
        h('span', { class: 'becomes', text: becomes }),
        several ? alone : null,
      ),
      group.changes.length ? changes(group.changes) : null,
      ...entries(group).map(entryView),
    );
  }

  #openApply(groups, whose) {
    new Apply(groups, whose, groups ? '' : wouldChange(this.#plan));
  }
}

function entryView({ names, number, action, becomes, place, state, changes: changed, note }) {
  return h(
    'div',
    { class: 'config-entry', dataset: { does: action } },
    h(
      'p',
      {},
      h('strong', { text: names }),
      number > 1 ? h('span', { class: 'count', text: ` (${number})` }) : null,
      h('span', { class: 'becomes', text: [becomes, place].filter(Boolean).join(', ') }),
      state ? h('span', { class: 'state', text: state }) : null,
    ),
    changed.length ? changes(changed) : null,
    note ? h('p', { class: 'note', text: note }) : null,
  );
}

/** Keys with their old and new values. */
function changes(some) {
  const rows = some.map((one) =>
    h(
      'tr',
      { dataset: { what: one.what } },
      h(
        'th',
        { scope: 'row', class: 'key' },
        h('span', {
          class: 'sign',
          role: 'img',
          'aria-label': one.what,
          text: SIGNS[one.what] ?? '~',
        }),
        one.key,
      ),
      h('td', { class: one.old.length + one.new.length > LONG ? 'long' : null }, ...values(one)),
      h('td', { class: 'effect', text: one.effect }),
    ),
  );
  return h('table', { class: 'changes' }, h('tbody', {}, ...rows));
}

function values({ what, old, new: fresh }) {
  const was = h('del', { text: plain(old || UNSET) });
  const is = h('ins', { text: plain(fresh || UNSET) });
  if (what === 'added') return [is];
  return what === 'removed'
    ? [was]
    : [was, h('span', { class: 'arrow', role: 'img', 'aria-label': 'becomes', text: ' → ' }), is];
}

/** The dialog that begins an apply. */
class Apply {
  #groups;
  #dialog;
  #form;
  #go = h('button', {
    type: 'button',
    class: 'primary',
    dataset: { action: 'apply' },
    text: 'Apply',
    on: { click: () => this.#start() },
  });

  constructor(groups, whose, would) {
    this.#groups = groups;
    this.#form = new OptionForm('apply', () => this.#form.setProblem(''));
    this.#form.setDefaults({ max_unavailable: '25%', rollback: true, prune: true });
    const text =
      'What needs no restart changes at once, then one process after the other restarts, and what is ' +
      'no longer wanted goes last. With rollback, the old configuration goes back if a new process does ' +
      'not become ready.';
    const content = h(
      'div',
      { class: 'plan' },
      would ? h('p', {}, h('strong', { text: `${capital(would)}.` })) : null,
      h('p', { text }),
      this.#form.element,
      h(
        'div',
        { class: 'actions' },
        h('button', { type: 'button', text: 'Close', on: { click: () => this.#dialog.close() } }),
        this.#go,
      ),
    );
    this.#dialog = openDialog(`Apply the configuration of ${whose}`, content, { id: 'apply' });
  }

  async #start() {
    this.#go.disabled = true;
    try {
      const id = await call('startApply', this.#groups, this.#form.values);
      this.#dialog.close();
      openOperation(id);
    } catch (error) {
      this.#form.setProblem(inWords(error));
    }
    this.#go.disabled = false;
  }
}
