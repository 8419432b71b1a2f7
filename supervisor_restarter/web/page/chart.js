/**
 * The picture of an operation: *ready* over time against what is allowed, and on the same time
 * axis a row per process or, of many, how many do what, and a row for each in motion.
 */

import { announce, h, s } from './dom.js';
import { bar, cut, Layer, textures, widthOf } from './drawing.js';
import {
  CHARACTER,
  CROWD_HEIGHT,
  describe,
  floorWords,
  path,
  rowName,
  TOP,
  view,
  word,
} from './layout.js';
import { legend } from './legend.js';
import { counts, STACK, steps, ticks } from './timeline.js';
import { Tip } from './tip.js';

const FAILED_WIDTH = 12; // px at least: a failure may be the end of it all
const NARROWEST = 160; // px: in less, nothing is drawn
const PIXELS = 3; // so many a rise of *ready* has to last to be seen
const SLOWLY = 1000; // ms between two drawings for who wants less motion
const CROWD_PACE = 100; // ms between two drawings of a crowd, at least

const reduced = matchMedia('(prefers-reduced-motion: reduce)');

export class Chart {
  #svg;
  #texture = textures();
  #layers = {};
  #model = null;
  #width = 0;
  #seen = true;
  #frame = 0;
  #timer = 0;
  #resized;
  #watched;
  #note = h('p', { class: 'chart-note' });

  /** open(process): called when a row is chosen. */
  constructor(open) {
    this.#svg = s('svg', { class: 'chart', 'aria-hidden': 'true' }, this.#texture.defs);
    for (const [name, tag] of [
      ['zone', 'rect'],
      ['grid', 'line'],
      ['hover', 'rect'],
      ['crowd', 'path'],
      ['bars', 'rect'],
      ['area', 'path'],
      ['floor', 'line'],
      ['line', 'path'],
      ['now', 'line'],
      ['dot', 'circle'],
      ['labels', 'text'],
      ['inside', 'text'],
    ]) {
      const group = s('g', { class: `layer-${name}` });
      this.#svg.append(group);
      this.#layers[name] = new Layer(group, tag);
    }
    this.frame = h(
      'div',
      { class: 'chart-frame', tabindex: '0', role: 'img', on: { keydown: (e) => this.#key(e) } },
      this.#svg,
    );
    this.element = h('figure', { class: 'chart-figure' }, legend(), this.frame, this.#note);
    this.tip = new Tip(this.frame, this.#svg, {
      view: () => this.view,
      open,
      moved: () => this.#draw(),
    });
    this.#resized = new ResizeObserver(() => this.#draw());
    this.#resized.observe(this.frame);
    this.#watched = new IntersectionObserver((entries) => {
      this.#seen = entries.at(-1).isIntersecting;
      this.#draw();
    });
    this.#watched.observe(this.frame);
    this.awake = () => this.#draw();
    document.addEventListener('visibilitychange', this.awake);
  }

  /**
   * What is to be drawn.
   *
   * @param {{restart: object, processes: object[], ready: [number, number][], moving: boolean,
   *   now: () => number}} model now: seconds since the begin; moving: whether time goes on
   */
  update(model) {
    this.#model = model;
    this.frame.setAttribute('aria-label', describe(model));
    this.#draw();
  }

  /** Nothing is drawn any more. */
  close() {
    this.#model = null;
    this.#resized.disconnect();
    this.#watched.disconnect();
    document.removeEventListener('visibilitychange', this.awake);
    this.#rest();
  }

  #rest() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
  }

  #goOn() {
    this.#rest();
    if (!this.#model?.moving || !this.#seen || document.hidden) return;
    const { left, right, end, crowd } = this.view;
    const pixel = (1000 * end) / (right - left); // ms in which the picture moves by one
    const pace = reduced.matches ? SLOWLY : Math.max(crowd ? CROWD_PACE : 0, pixel);
    const next = () => {
      this.#frame = requestAnimationFrame(() => this.#draw());
    };
    this.#timer = setTimeout(next, pace);
  }

  #draw() {
    this.#width = this.frame.clientWidth;
    if (!this.#model || this.#width < NARROWEST) return;
    this.view = view(this.#model, this.#width, widthOf);
    this.#svg.setAttribute('width', String(this.#width));
    this.#svg.setAttribute('height', String(this.view.height));
    for (const layer of Object.values(this.#layers)) layer.begin();
    this.#axis();
    if (this.view.staying) this.#ready();
    if (this.view.crowd) this.#crowd();
    this.#rows();
    for (const layer of Object.values(this.#layers)) layer.end();
    this.#say();
    this.tip.refresh();
    this.#goOn();
  }

  #axis() {
    const { x, left, right, end, now, height, bottom } = this.view;
    const { grid, labels, now: line } = this.#layers;
    grid.add({ class: 'base', x1: left, x2: right, y1: bottom, y2: bottom });
    for (const { at, label } of ticks(end, Math.max(2, (right - left) / 70))) {
      grid.add({ class: 'tick', x1: x(at), x2: x(at), y1: TOP, y2: height - 4 });
      const anchor = at === 0 ? 'start' : x(at) > right - 14 ? 'end' : 'middle';
      labels.add(
        { class: 'tick', x: x(at), y: bottom + 16, 'text-anchor': anchor },
        at === 0 ? '0 s' : label,
      );
    }
    if (this.#model.moving) {
      line.add({ class: 'now', x1: x(now), x2: x(now), y1: TOP, y2: height - 4 });
    }
  }

  #ready() {
    const { x, y, left, right, end, now, low, high, bottom } = this.view;
    const { restart, ready } = this.#model;
    const { zone, area, line, floor, labels, dot } = this.#layers;
    labels.add({ class: 'title', x: 0, y: TOP + 9 }, 'ready');
    labels.add({ class: 'value', x: left - 6, y: TOP + 9, 'text-anchor': 'end' }, String(high));
    labels.add({ class: 'value', x: left - 6, y: bottom, 'text-anchor': 'end' }, String(low));
    const line_ = steps(ready, now, (PIXELS * end) / (right - left));
    if (line_.length) {
      const d = path(line_, x, y);
      area.add({ d: `${d}V${bottom}H${x(line_[0][0])}Z` });
      line.add({ d });
      dot.add({ cx: x(now), cy: y(line_.at(-1)[1]), r: 3.5 });
    }
    const level = y(restart.allowed);
    if (restart.allowed > low) {
      const fill = this.#texture.fill('forbidden');
      zone.add({ x: left, y: level, width: right - left, height: bottom - level, fill });
    }
    floor.add({ x1: left, x2: right, y1: level, y2: level });
    const below = bottom - level > 18;
    const place = { class: 'floor', x: left + 6, y: below ? level + 13 : level - 5 };
    labels.add(place, floorWords(restart.allowed));
    if (this.#hasRoom(level)) {
      labels.add(
        { class: 'value floor', x: left - 6, y: level + 4, 'text-anchor': 'end' },
        String(restart.allowed),
      );
    }
  }

  /** Whether there is room for the floor's number between those of the axis. */
  #hasRoom(level) {
    return level > TOP + 22 && level < this.view.bottom - 12;
  }

  #crowd() {
    const { x, left, right, now, crowdTop, stories } = this.view;
    const { crowd, labels } = this.#layers;
    const columns = Math.max(10, Math.round((x(now) - left) / 2));
    const found = counts(stories, now || 1, columns);
    const total = stories.length;
    const at = (i) => left + ((x(now) - left) * i) / columns;
    const height = (n) => crowdTop + CROWD_HEIGHT * (1 - n / total);
    let lower = new Array(columns).fill(0);
    for (const kind of STACK) {
      const own = found.get(kind);
      if (!own) continue;
      const upper = lower.map((n, i) => n + own[i]);
      const forth = upper.map((n, i) => `${i ? 'V' : `M${at(0)} `}${height(n)}H${at(i + 1)}`);
      const back = lower.map((_, i) => columns - 1 - i).map((i) => `V${height(lower[i])}H${at(i)}`);
      const fill = this.#texture.fill(kind);
      crowd.add({ class: `crowd ${kind}`, d: `${forth.join('')}${back.join('')}Z`, fill });
      lower = upper;
    }
    const side = { x: left - 6, 'text-anchor': 'end' };
    labels.add({ class: 'title', x: 0, y: crowdTop + 10 }, 'all');
    labels.add({ class: 'value', ...side, y: crowdTop + 10 }, String(total));
    labels.add({ class: 'value', ...side, y: crowdTop + CROWD_HEIGHT }, '0');
    this.#layers.grid.add({ class: 'base', x1: left, x2: right, y1: height(0), y2: height(0) });
  }

  #rows() {
    const { x, left, rows, now, rowTop, rowHeight, room, roomy } = this.view;
    const { bars, labels, inside, hover } = this.#layers;
    const named = new Set();
    const chosen = this.tip.row;
    for (const [index, { process, lanes }] of rows.entries()) {
      const top = rowTop + index * rowHeight;
      if (process === chosen) {
        hover.add({ x: 0, y: top, width: this.#width, height: rowHeight });
      }
      labels.add(
        {
          class: `name ${process.phase}`,
          x: left - 6,
          y: top + rowHeight / 2 + 4,
          'text-anchor': 'end',
        },
        cut(rowName(process), room),
      );
      for (const { kind, from, to, above, high } of shownParts(process, lanes, now)) {
        const width = kind === 'failed' ? Math.max(x(to) - x(from), FAILED_WIDTH) : x(to) - x(from);
        const place = [top + above * rowHeight, high * rowHeight];
        bars.add(bar(kind, x(from), width, ...place, this.#texture.fill));
        const text = high === 1 ? word(kind, to - from, named, roomy) : '';
        if (!text || width < text.length * CHARACTER + 10) continue;
        named.add(kind);
        const y = top + rowHeight / 2 + 4;
        inside.add({ class: `inside ${kind}`, x: x(from) + 6, y }, text);
      }
    }
  }

  #say() {
    const { others, rows } = this.view;
    const parts = [...others].map(([phase, number]) => `${number} ${phase}`);
    const own = rows.length ? 'Rows: those in motion, and the failed. ' : '';
    const text = parts.length ? `${own}Without a row: ${parts.join(', ')}.` : '';
    if (this.#note.textContent !== text) this.#note.textContent = text;
  }

  #key(event) {
    const text = this.tip.key(event.key);
    if (text === null) return;
    event.preventDefault();
    announce(text);
  }
}

/**
 * The parts of a row with the share of its height that is above each, and that is its own. A failure
 * with which all ended has no length, and is seen all the same.
 */
function shownParts({ phase, failed_seconds: failed }, lanes, now) {
  const room = lanes.length === 1 ? 1 : 0.84; // two are nearer to each other than to other rows
  const high = room / lanes.length;
  const place = (i) => ({ above: (1 - room) / 2 + i * high, high });
  const parts = lanes.flatMap((lane, i) => lane.map((part) => ({ ...part, ...place(i) })));
  const hidden = phase === 'failed' && failed && parts.at(-1)?.kind !== 'failed';
  const end = { kind: 'failed', from: now, to: now, ...place(lanes.length - 1) };
  return hidden ? [...parts, end] : parts;
}
