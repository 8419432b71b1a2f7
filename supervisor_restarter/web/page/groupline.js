/** One group: its name, a tile per process, how it is in words, its buttons, why processes are down. */

import { h, keyed, mark, say } from './dom.js';
import {
  about,
  ailing,
  facts,
  listed,
  namespec,
  passes,
  plain,
  reasons,
  short,
  summary,
} from './model.js';
import { openOperation } from './operations.js';
import { keepReachable } from './tiles.js';

/** @typedef {import('./live.js').Proc} Proc */
/** @typedef {import('./live.js').Group} Group */

const NAMED = 24; // a group of so many processes has room for their names

/** Whether there is something to stop; what Supervisor is about to start again is. */
export const isUp = ({ state }) => about(state).up || state === 'BACKOFF';

/** The line of a group. All times are seconds since the epoch, by the clock of the server. */
export class GroupLine {
  /** @param {string} name */
  constructor(name) {
    const text = plain(name);
    const button = (action, label) =>
      h('button', {
        type: 'button',
        text: label,
        dataset: { action },
        'aria-label': `${label.replace('…', '')} ${text}`,
      });
    this.tiles = h('div', { class: 'tiles', role: 'group', 'aria-label': `Processes of ${text}` });
    this.summary = h('p', { class: 'summary' });
    this.motion = h('button', {
      type: 'button',
      class: 'motion',
      hidden: true,
      on: { click: () => openOperation(this.operation) },
    });
    this.start = button('start', 'Start');
    this.stop = button('stop', 'Stop…');
    this.reasons = h('ul', { class: 'reasons' });
    this.node = h(
      'li',
      { class: 'group', dataset: { group: name } },
      h('h3', { text }),
      this.tiles,
      h('div', { class: 'told' }, this.summary, this.motion),
      h('div', { class: 'buttons' }, button('restart', 'Restart…'), this.start, this.stop),
      this.reasons,
    );
  }

  /**
   * Show a group of which everything may be another, and note its tiles in `tiles`, by index.
   * @param {Group} group
   * @param {HTMLElement[]} tiles
   * @param {number} now
   */
  everything(group, tiles, now) {
    this.named = group.processes.length <= NAMED;
    this.tiles.classList.toggle('named', this.named);
    this.node.classList.toggle('large', !this.named);
    const show = (tile, process) => {
      tiles[process.index] = tile;
      this.paint(tile, process, now);
    };
    keyed(this.tiles, group.processes, ({ name }) => name, tileOf, show);
    this.summarise(group, now);
  }

  /** Show one process. @param {any} tile @param {Proc} process @param {number} now */
  paint(tile, process, now) {
    tile.index = process.index;
    mark(tile, 'data-state', process.state);
    mark(tile, 'aria-label', label(process, now));
    say(tile.sign, about(process.state).sign);
    tile.classList.toggle('ailing', ailing(process));
    const alone = process.group === process.name;
    say(tile.word, !this.named ? '' : alone ? about(process.state).word : short(process));
  }

  /** Show what holds for the whole group. @param {Group} group @param {number} now */
  summarise({ name, processes }, now) {
    const single = processes.length === 1;
    if (single) this.count(processes[0], now);
    else say(this.summary, summary(processes));
    mark(this.start, 'aria-disabled', String(processes.every(isUp)));
    mark(this.stop, 'aria-disabled', String(!processes.some(isUp)));
    this.node.classList.toggle('ailing', processes.some(ailing));
    const tell = (line, { names, state, text }) => {
      const who = single && names[0] === plain(name) ? '' : `${listed(names)} `;
      say(line, `${who}${state}: ${text}`);
    };
    keyed(
      this.reasons,
      reasons(processes),
      ({ key }) => key,
      () => h('li'),
      tell,
    );
  }

  /** Say how long the only process is up. @param {Proc} process @param {number} now */
  count(process, now) {
    const [, ...said] = facts({ ...process, text: '' }, now);
    say(this.summary, said.join(', '));
  }

  /**
   * Say that the group is being restarted or changed, by which operation; null: by none.
   * @param {any} operation a header
   */
  moving(operation) {
    this.operation = operation?.id;
    this.motion.hidden = !operation;
    if (!operation) return;
    const { id, kind, state } = operation;
    const word = kind === 'apply' ? 'applying' : 'restarting';
    say(this.motion, state === 'queued' ? 'queued' : word);
    mark(this.motion, 'aria-label', `${this.motion.textContent}: show ${kind} ${id}`);
  }

  /**
   * Show the tiles that pass, and the line if there are any, or nothing is left out.
   * @returns {number} how many
   */
  sift({ processes }, tiles, filter) {
    let passing = 0;
    for (const process of processes) {
      const passed = passes(process, filter.value);
      tiles[process.index].hidden = !passed;
      passing += Number(passed);
    }
    this.node.hidden = filter.on() && passing === 0;
    keepReachable(this.tiles);
    return passing;
  }
}

function tileOf({ namespec }) {
  const tile = h('button', {
    class: 'tile',
    type: 'button',
    tabindex: '-1',
    dataset: { process: namespec },
  });
  tile.sign = h('span', { class: 'sign', 'aria-hidden': 'true' });
  tile.word = h('span', { class: 'word', 'aria-hidden': 'true' });
  tile.append(tile.sign, tile.word);
  return tile;
}

/** 'web:0 RUNNING pid 12, up 3 h' @param {Proc} process @param {number} now */
export function label(process, now) {
  const [state, ...rest] = facts(process, now);
  return `${namespec(process)} ${state} ${rest.join(', ')}`.trim();
}
