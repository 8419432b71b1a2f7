/** What a chart shows, as a table: every process, with its numbers and reasons in full. */

import { h, keyed } from './dom.js';
import { namespec } from './model.js';
import { span } from './timeline.js';
import { fate } from './wording.js';

const COLUMNS = [
  'process',
  'waited',
  'drained in',
  'stopped in',
  'down',
  'ready after',
  'old pid',
  'new pid',
  'result',
];
let made = 0;

export class Table {
  #body = h('tbody', {});
  #processes = [];

  constructor() {
    const id = `table-${++made}`;
    const heads = COLUMNS.map((text) => h('th', { scope: 'col', text }));
    const caption = h('caption', { text: 'Every process, with its times in seconds' });
    const table = h('table', {}, caption, h('thead', {}, h('tr', {}, ...heads)), this.#body);
    this.element = h(
      'div',
      {
        class: 'op-table',
        id,
        hidden: true,
        tabindex: '0',
        role: 'region',
        'aria-label': 'Processes as a table',
      },
      table,
    );
    this.button = h('button', {
      type: 'button',
      text: 'Table',
      'aria-expanded': 'false',
      'aria-controls': id,
      dataset: { action: 'table' },
      on: { click: () => this.#toggle() },
    });
  }

  update(processes) {
    this.#processes = processes;
    if (this.element.hidden) return;
    keyed(this.#body, processes, key, make, update);
  }

  #toggle() {
    this.element.hidden = !this.element.hidden;
    this.button.setAttribute('aria-expanded', String(!this.element.hidden));
    this.update(this.#processes);
  }
}

const key = ({ group, name }) => JSON.stringify([group, name]);

function make(process) {
  const cells = COLUMNS.slice(1).map((label) => h('td', { dataset: { label } }));
  return h('tr', {}, h('th', { scope: 'row', text: namespec(process) }), ...cells);
}

function update(row, process) {
  const time = (seconds) => (seconds ? span(seconds) : '–');
  const texts = [
    time(process.waited_seconds),
    time(process.drain_seconds),
    time(process.stop_seconds),
    time(process.down_seconds),
    time(process.ready_seconds),
    String(process.old_pid || '–'),
    String(process.new_pid || '–'),
    fate(process),
  ];
  row.dataset.phase = process.phase;
  for (const [index, text] of texts.entries()) {
    const cell = row.children[index + 1];
    if (cell.textContent !== text) cell.textContent = text;
  }
}
