/**
 * All groups: a line each, what of them is shown, and what their buttons do.
 *
 * With hundreds of processes most answers change a few of them, so a change touches the tiles of
 * these and the line of their group, and nothing else.
 */

import { restartGroup, startGroup, stopGroup } from './actions.js';
import { announce, h, keyed, mark, say } from './dom.js';
import { mountFilter } from './filter.js';
import { GroupLine, isUp, label } from './groupline.js';
import { facts, namespec } from './model.js';
import { openProcess } from './process.js';
import { mountTiles } from './tiles.js';

/** @typedef {import('./live.js').Live} Live */

const MANY_GROUPS = 40; // of so many lines, those out of sight are not laid out
const MOST_TOLD = 3; // processes whose failing is told one by one
const SECOND_MS = 1000;
const MINUTE_MS = 60_000;

/**
 * @param {HTMLElement} root
 * @param {Live} live
 */
export function mountGroups(root, live) {
  new Groups(root, live);
}

class Groups {
  #live;
  #list = h('ul', { class: 'groups', role: 'list' });
  #none = h('p', { class: 'empty', hidden: true });
  /** @type {Map<string, GroupLine>} */
  #lines = new Map();
  /** @type {HTMLElement[]} by index of their processes */
  #tiles = [];
  #filter;
  #card;

  constructor(root, live) {
    this.#live = live;
    root.append(this.#list, this.#none);
    this.#filter = mountFilter(() => this.#sift());
    this.#card = mountTiles(this.#list, {
      describe: ({ index }) => this.#describe(live.state.processes[index]),
      open: ({ index }) => openProcess(live.state.processes[index]),
    });
    this.#list.addEventListener('click', (event) => this.#act(event));
    live.addEventListener('change', ({ detail }) => this.#change(detail));
    setInterval(() => document.hidden || this.#count(), SECOND_MS);
    setInterval(() => document.hidden || this.#label(), MINUTE_MS);
  }

  get #now() {
    return this.#live.serverNow() / 1000;
  }

  #change({ full, processes, restarts }) {
    if (full) this.#everything();
    else if (processes.length) this.#some(processes);
    if (full || restarts) this.#move();
    if (full || processes.length) this.#card.refresh();
  }

  #everything() {
    const { groups, processes } = this.#live.state;
    this.#tiles = new Array(processes.length);
    const lines = new Map();
    for (const group of groups) {
      const line = this.#lines.get(group.name) ?? new GroupLine(group.name);
      line.everything(group, this.#tiles, this.#now);
      lines.set(group.name, line);
    }
    this.#lines = lines;
    const lineOf = ({ name }) => lines.get(name);
    keyed(this.#list, groups, lineOf, (group) => lineOf(group).node);
    this.#list.classList.toggle('many', groups.length > MANY_GROUPS);
    this.#sift();
  }

  #some(changed) {
    const { groups, processes } = this.#live.state;
    const touched = new Set();
    for (const index of changed) {
      const group = groups[processes[index].place];
      this.#lines.get(group.name).paint(this.#tiles[index], processes[index], this.#now);
      touched.add(group);
    }
    for (const group of touched) this.#lines.get(group.name).summarise(group, this.#now);
    this.#tell(changed.map((index) => processes[index]));
    if (this.#filter.on()) this.#sift();
    else this.#filter.count(processes, processes.length);
  }

  /** Which groups are being restarted: of several operations, the oldest; the others are queued. */
  #move() {
    const moving = new Map();
    for (const restart of [...this.#live.state.restarts].reverse()) {
      if (restart.finished_at) continue;
      for (const name of restart.groups) if (!moving.has(name)) moving.set(name, restart);
    }
    for (const [name, line] of this.#lines) line.moving(moving.get(name) ?? null);
  }

  /** Show what passes the filter, and say how much that is. */
  #sift() {
    const { about, groups, processes } = this.#live.state;
    let passing = 0;
    for (const group of groups) {
      passing += this.#lines.get(group.name).sift(group, this.#tiles, this.#filter);
    }
    this.#filter.count(processes, passing);
    if (about)
      say(this.#none, groups.length ? 'No process matches.' : 'supervisord has no programs.');
    this.#none.hidden = !about || (groups.length > 0 && (passing > 0 || !this.#filter.on()));
  }

  /** How long processes are up: of groups of one, and of the one that is pointed at. */
  #count() {
    this.#card.refresh();
    for (const { name, processes } of this.#live.state.groups) {
      if (processes.length === 1) this.#lines.get(name).count(processes[0], this.#now);
    }
  }

  /** The same, for those who hear it. */
  #label() {
    for (const process of this.#live.state.processes) {
      mark(this.#tiles[process.index], 'aria-label', label(process, this.#now));
    }
  }

  #tell(changed) {
    const failed = changed.filter(({ state }) => state === 'FATAL' || state === 'UNKNOWN');
    if (!failed.length) return;
    const each = failed.map((process) => label(process, this.#now)).join('. ');
    announce(failed.length > MOST_TOLD ? `${failed.length} processes have failed` : each);
  }

  #describe(process) {
    const [state, ...rest] = facts(process, this.#now);
    return { heading: namespec(process), state, rest };
  }

  #act({ target }) {
    const button = target.closest('[data-action]');
    if (!button || button.getAttribute('aria-disabled') === 'true') return;
    const { group } = button.closest('[data-group]').dataset;
    const { processes } = this.#live.state.groups.find(({ name }) => name === group);
    if (button.dataset.action === 'restart') restartGroup(group);
    else if (button.dataset.action === 'start') startGroup(group);
    else stopGroup(group, processes.filter(isUp).length);
  }
}
