/** What a chart tells of the place under the pointer, or of what the arrow keys have chosen. */

import { h } from './dom.js';
import { namespec } from './model.js';
import { counts, MEANINGS, STACK, span, steps } from './timeline.js';
import { fate } from './wording.js';

const GAP = 14; // px between the pointer and the tip

export class Tip {
  #frame;
  #svg;
  #chart;
  #box = h('div', { class: 'chart-tip', hidden: true });
  #at = null; // {x, y}: where the pointer is
  #chosen = ''; // the namespec of the row that is shown
  #before = ''; // ... and of the one before the last touch

  /** chart: {view(): what is drawn, open(process), moved(): another row is chosen} */
  constructor(frame, svg, chart) {
    this.#frame = frame;
    this.#svg = svg;
    this.#chart = chart;
    frame.append(this.#box);
    svg.addEventListener('pointermove', (e) => this.#point(e));
    svg.addEventListener('pointerdown', (e) => {
      this.#before = this.#chosen;
      this.#point(e);
    });
    svg.addEventListener('click', (e) => {
      // A finger does not hover: its first touch of a row shows the tip, its second one opens.
      const first = e.pointerType === 'touch' && this.#before !== this.#chosen;
      if (this.row && !first) chart.open(this.row);
    });
    svg.addEventListener('pointerleave', (e) => e.pointerType !== 'touch' && this.#clear());
    frame.addEventListener('blur', () => this.#clear());
  }

  /** The process whose row is chosen, or undefined. */
  get row() {
    const rows = this.#chart.view()?.rows ?? [];
    return rows.find(({ process }) => namespec(process) === this.#chosen)?.process;
  }

  /** A key was pressed: what is to be told now, or null if it is none of the tip's. */
  key(key) {
    const rows = this.#chart.view()?.rows ?? [];
    if (key === 'Escape' && this.#chosen) {
      this.#clear();
      return '';
    }
    if (key === 'Enter' && this.row) {
      this.#chart.open(this.row);
      return '';
    }
    const step = { ArrowDown: 1, ArrowUp: -1, Home: -rows.length, End: rows.length }[key];
    if (!step || !rows.length) return null;
    const now = rows.findIndex(({ process }) => namespec(process) === this.#chosen);
    const next = Math.min(rows.length - 1, Math.max(0, now + step));
    this.#chosen = namespec(rows[next].process);
    this.#at = null;
    this.#chart.moved();
    return [this.#chosen, ...rowLines(rows[next].process)].join(', ');
  }

  /** The numbers have changed. */
  refresh() {
    const view = this.#chart.view();
    const lines = view ? this.#lines(view) : null;
    this.#box.hidden = !lines;
    if (!lines) return;
    const texts = lines.map((line, index) => h(index ? 'div' : 'strong', { text: line }));
    this.#box.replaceChildren(...texts);
    this.#place(view);
  }

  #lines(view) {
    const row = this.row;
    if (row) return [namespec(row), ...rowLines(row)];
    if (!this.#at) return null;
    const { left, right, end, now, crowd, crowdTop, rowTop } = view;
    const seconds = ((this.#at.x - left) / (right - left)) * end;
    if (seconds < 0 || seconds > now || this.#at.y > rowTop) return null;
    if (crowd && this.#at.y > crowdTop) return crowdLines(view, seconds);
    return readyLines(view, seconds);
  }

  #point(event) {
    const box = this.#svg.getBoundingClientRect();
    this.#at = { x: event.clientX - box.left, y: event.clientY - box.top };
    const { rows, rowTop, rowHeight } = this.#chart.view() ?? { rows: [] };
    const index = Math.floor((this.#at.y - rowTop) / rowHeight);
    this.#chosen = rows[index] ? namespec(rows[index].process) : '';
    this.#chart.moved();
  }

  #clear() {
    this.#at = null;
    this.#chosen = '';
    this.#chart.moved();
  }

  /** Beside the pointer or below the row, and never beyond the edges of the frame. */
  #place({ rows, rowTop, rowHeight, left }) {
    const index = rows.findIndex(({ process }) => process === this.row);
    const at = this.#at ?? { x: left, y: rowTop + (index + 1) * rowHeight };
    const { clientWidth: width, clientHeight: height } = this.#frame;
    const { offsetWidth: wide, offsetHeight: high } = this.#box;
    const x = at.x + GAP + wide <= width ? at.x + GAP : Math.max(0, at.x - GAP - wide);
    const y = at.y + GAP + high <= height ? at.y + GAP : Math.max(0, at.y - GAP - high);
    this.#box.style.setProperty('left', `${Math.min(x, Math.max(0, width - wide))}px`);
    this.#box.style.setProperty('top', `${y}px`);
  }
}

/** What there is to be told of one process. */
function rowLines(process) {
  const { old_pid: old, new_pid: fresh } = process;
  const lines = [fate(process)];
  if (old || fresh) lines.push(`pid ${old || 'none'} → ${fresh || 'none'}`);
  const times = [
    ['its turn came after', process.waited_seconds],
    ['draining', process.drain_seconds],
    ['stopping', process.stop_seconds],
    ['down', process.down_seconds],
    ['starting', process.ready_seconds],
  ];
  for (const [what, seconds] of times) if (seconds) lines.push(`${what} ${span(seconds)}`);
  if (process.killed) lines.push('ended by SIGKILL');
  return lines;
}

function readyLines({ model, now }, seconds) {
  const line = steps(model.ready, now);
  const point = line.findLast(([at]) => at <= seconds);
  if (!point) return null;
  const { allowed, total } = model.restart;
  return [
    `after ${span(seconds)}`,
    `${point[1]} of ${total} ready`,
    `allowed: at least ${allowed}`,
  ];
}

function crowdLines({ stories, now }, seconds) {
  const columns = 400;
  const found = counts(stories, now || 1, columns);
  const column = Math.min(columns - 1, Math.floor((seconds / now) * columns));
  const lines = STACK.toReversed().map((kind) => [kind, found.get(kind)?.[column] ?? 0]);
  return [
    `after ${span(seconds)}`,
    ...lines.filter(([, n]) => n).map(([kind, n]) => `${n} ${MEANINGS[kind][0]}`),
  ];
}
