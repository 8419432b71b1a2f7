/** Drawing: nodes of an SVG that are kept from one drawing to the next, and the textures. */

import { s } from './dom.js';

/** Nodes of one tag below `parent`: begin(), add(...) for each one there is, end(). */
export class Layer {
  #parent;
  #tag;
  #nodes = [];
  #used = 0;

  constructor(parent, tag) {
    this.#parent = parent;
    this.#tag = tag;
  }

  begin() {
    this.#used = 0;
  }

  /** The next node, with these attributes and, if it is given, this text. */
  add(attributes, text) {
    let kept = this.#nodes[this.#used];
    if (!kept) {
      kept = { node: s(this.#tag, {}), last: {}, text: undefined };
      this.#nodes.push(kept);
      this.#parent.append(kept.node);
    }
    this.#used += 1;
    for (const name of Object.keys(kept.last)) {
      if (name in attributes) continue;
      delete kept.last[name];
      kept.node.removeAttribute(name);
    }
    for (const [name, value] of Object.entries(attributes)) {
      const text = typeof value === 'number' ? String(Math.round(value * 100) / 100) : value;
      if (kept.last[name] === text) continue;
      kept.last[name] = text;
      kept.node.setAttribute(name, text);
    }
    if (text !== undefined && kept.text !== text) {
      kept.text = text;
      kept.node.textContent = text;
    }
    return kept.node;
  }

  /** What has not been added again is no more. */
  end() {
    for (const { node } of this.#nodes.splice(this.#used)) node.remove();
  }
}

let made = 0;

/** The textures of the kinds, for one SVG: {defs, fill(kind)}. */
export function textures() {
  const prefix = `texture-${++made}-`;
  const pattern = (kind, size, ...marks) =>
    s(
      'pattern',
      { id: prefix + kind, width: size, height: size, patternUnits: 'userSpaceOnUse' },
      s('rect', { class: `ground ${kind}`, width: size, height: size }),
      ...marks,
    );
  const line = (kind, d) => s('path', { class: `mark ${kind}`, d });
  const defs = s(
    'defs',
    {},
    pattern('draining', 4, line('draining', 'M2 0V4')),
    pattern('stopping', 6, line('stopping', 'M-1 7 7 -1M-1 1 1 -1M5 7 7 5')),
    pattern('starting', 5, s('circle', { class: 'dot starting', cx: 2.5, cy: 2.5, r: 1.1 })),
    pattern('failed', 6, line('failed', 'M0 0 6 6M6 0 0 6')),
    pattern('forbidden', 8, line('forbidden', 'M-1 9 9 -1M-1 1 1 -1M7 9 9 7')),
  );
  const textured = new Set(['draining', 'stopping', 'starting', 'failed', 'forbidden']);
  const fill = (kind) => (textured.has(kind) ? `url(#${prefix}${kind})` : '');
  return { defs, fill };
}

/** How high a bar of this kind is, as a part of its row: what serves is high, what is down is a line. */
const HEIGHTS = {
  serving: 0.74,
  draining: 0.74,
  stopping: 0.74,
  down: 0.12,
  starting: 0.54,
  ready: 0.74,
  failed: 0.74,
  left: 0.06,
};

/** The attributes of a bar of this kind in the row from `top` on. */
export function bar(kind, x, width, top, height, fill) {
  const own = Math.max(1.5, height * HEIGHTS[kind]);
  return {
    class: `bar ${kind}`,
    x,
    y: top + (height - own) / 2,
    width: Math.max(0.75, width),
    height: own,
    ...(fill(kind) ? { fill: fill(kind) } : { fill: 'none' }),
  };
}

const FONT = '12px system-ui, sans-serif'; // of the labels, as chart.css has it
const pen = document.createElement('canvas').getContext('2d');
const widths = new Map();
const MOST_WIDTHS = 2000; // remembered; names are drawn over and over

/** How wide a label is, in px. */
export function widthOf(text) {
  let width = widths.get(text);
  if (width === undefined) {
    if (widths.size >= MOST_WIDTHS) widths.clear();
    pen.font = FONT;
    width = pen.measureText(text).width;
    widths.set(text, width);
  }
  return width;
}

/** `text` in at most `room` px, cut in the middle: ends of names tell them apart. */
export function cut(text, room) {
  const letters = [...text];
  let kept = letters.length;
  let short = text;
  while (kept > 2 && widthOf(short) > room) {
    kept = Math.min(kept - 1, Math.floor((kept * room) / widthOf(short)) + 1);
    const tail = Math.ceil(kept / 2);
    short = `${letters.slice(0, kept - tail).join('')}…${letters.slice(-tail).join('')}`;
  }
  return short;
}
