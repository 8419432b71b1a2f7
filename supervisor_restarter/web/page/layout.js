/** Where everything of a chart is, and what is written there. Pure. */

import { namespec } from './model.js';
import { chooseRows, lanes, readyRange, segments, span } from './timeline.js';

const READY_HEIGHT = 88;
const AXIS_HEIGHT = 24;
export const CROWD_HEIGHT = 150;
const HIGH_ROW = 24; // with room for text in the bars
const LOW_ROW = 18;
const MOST_HIGH = 16;
export const TOP = 10;
const RIGHT = 14;
const WIDEST_MARGIN = 220; // px
export const CHARACTER = 6.7; // px, about, of the text in bars
const SHORTEST = 3; // seconds: so much is there room for at least, while it runs

/** Where everything is: in px, but for `end` and `now`, in seconds. */
export function view(model, width, widthOf) {
  const { restart, processes, moving } = model;
  const now = model.now();
  const end = moving ? Math.max(now * 1.01, SHORTEST) : now || 1;
  const crowd = chooseRows(processes).others.size > 0 || null;
  const { rows, others } = chooseRows(processes);
  const lowest = Math.min(restart.lowest_ready, restart.ready);
  const staying = processes.filter(({ action }) => action !== 'remove').length;
  const readyHeight = staying ? READY_HEIGHT : 0;
  const most = Math.max(staying, ...model.ready.map(([, n]) => n), 1);
  const [low, high] = readyRange(most, restart.allowed, lowest);
  // The names are in the margin on the left, and before that the numbers of *ready*.
  const longest = Math.max(...rows.map((p) => widthOf(rowName(p))), widthOf(`ready ${high}`));
  const left = Math.round(Math.min(longest + 10, Math.max(width * 0.28, 84), WIDEST_MARGIN));
  const right = width - RIGHT;
  const x = (at) => left + (Math.min(at, end) / end) * (right - left);
  const bottom = TOP + readyHeight; // of *ready*
  const y = (n) => bottom - (readyHeight * Math.max(0, n - low)) / (high - low || 1);
  const crowdTop = bottom + AXIS_HEIGHT;
  const rowTop = crowdTop + (crowd ? CROWD_HEIGHT + 12 : 0);
  const rowHeight = rows.length <= MOST_HIGH ? HIGH_ROW : LOW_ROW;
  const story = (process) => ({ process, lanes: lanes(process, now) });
  const stories = crowd ? processes.map((p) => segments(p, now)) : [];
  const own = rows.map(story);
  const height = rowTop + own.length * rowHeight + 6;
  const room = left - 8;
  const places = { left, right, x, y, low, high, end, now, height, room };
  const roomy = rowHeight === HIGH_ROW;
  return {
    model,
    ...places,
    roomy,
    bottom,
    staying,
    crowd,
    crowdTop,
    stories,
    rows: own,
    others,
    rowTop,
    rowHeight,
  };
}

/** What has to stay ready, in words. */
export function floorWords(allowed) {
  if (!allowed) return 'none has to stay ready';
  return `at least ${allowed} ${allowed === 1 ? 'has' : 'have'} to stay ready`;
}

/** What stands before a row. */
export function rowName(process) {
  return `${process.phase === 'failed' ? '✕ ' : ''}${namespec(process)}`;
}

/** The path of a step line. */
export function path(line, x, y) {
  const [first, ...rest] = line;
  return `M${x(first[0])} ${y(first[1])}${rest.map(([at, n]) => `H${x(at)}V${y(n)}`).join('')}`;
}

/** What is written into a bar: how long it was away; of what serves its name, once. */
export function word(kind, seconds, named, roomy) {
  if (kind === 'left') return '';
  if (kind === 'serving' || kind === 'ready') return named.has(kind) ? '' : kind;
  if (!roomy) return '';
  return kind === 'failed' ? 'failed' : `${kind} ${span(seconds)}`;
}

/** A chart in one sentence. */
export function describe({ restart, processes, now }) {
  const counted = [`${restart.done} of ${restart.total} done`];
  if (restart.failed) counted.push(`${restart.failed} failed`);
  return (
    `Time chart of ${processes.length} processes over ${span(now())}: ${counted.join(', ')}; ` +
    `${restart.ready} ready now, at least ${restart.lowest_ready}, allowed ${restart.allowed}. ` +
    'Arrow keys go through the rows; the table has the same numbers.'
  );
}
