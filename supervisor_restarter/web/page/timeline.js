import { isBeside, pair, together } from './beside.js';

/**
 * What the picture of an operation shows, as numbers. Pure: no page, no clock.
 *
 * All times are seconds since the operation began. `now` is where time has got to: of an operation
 * that is over, its end.
 *
 * @typedef {{kind: string, from: number, to: number}} Segment what a process did, from when to when
 */

/** What a process can be doing, in the order in which a restart goes through it. */
export const KINDS = [
  'serving',
  'draining',
  'stopping',
  'down',
  'starting',
  'ready',
  'failed',
  'left',
];

/** How each of them is called, and what it means to a newcomer. */
export const MEANINGS = {
  serving: ['serving', 'the old process, up'],
  draining: ['draining', 'its RESTARTER_BEFORE_STOP runs'],
  stopping: ['stopping', 'from the stop signal to the exit'],
  down: ['down', 'no process runs'],
  starting: ['starting', 'the new process, not ready yet'],
  ready: ['ready', 'the new process'],
  failed: ['failed', 'did not come up, or did not stay up'],
  left: ['left', 'removed, or left as it is'],
};

/** From bottom to top where processes are counted: what is new grows below, what is old above. */
export const STACK = [
  'ready',
  'failed',
  'starting',
  'down',
  'stopping',
  'draining',
  'serving',
  'left',
];

/** With more rows than this, only those in motion and the failed have one. */
const MOST_ROWS = 40;

const AWAY = new Set(['draining', 'stopping', 'down', 'starting', 'failed']);
const ACTIVE = new Set(['draining', 'stopping', 'stopped', 'starting']);
const NICE = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900,
  1800, 3600,
];
const DAY = 86400;

/**
 * What a process did, without a gap from 0 to `now`.
 *
 * @param {object} process a process of a restart's struct
 * @param {number} now
 * @returns {Segment[]}
 */
export function segments(process, now) {
  return timed(story(process), now);
}

/**
 * What is drawn of a process, one above the other: what it did, or, where the new one has started
 * beside the old one, what each of them did.
 *
 * @param {object} process
 * @param {number} now
 * @returns {Segment[][]}
 */
export function lanes(process, now) {
  if (!isBeside(process)) return [segments(process, now)];
  return pair(process).map((told) => timed(told, now));
}

function timed(told, now) {
  const parts = [];
  let at = 0;
  const add = (kind, seconds) => {
    const to = Math.min(at + seconds, now);
    if (to > at && kind !== 'gone') parts.push({ kind, from: at, to });
    at = Math.max(at, to);
  };
  for (const [kind, seconds] of told) add(kind, seconds);
  return parts;
}

/** [kind, seconds] one after the other; the last one lasts. */
function story(process) {
  if (isBeside(process)) return together(process);
  const there = process.way_there ?? {};
  if (!Object.keys(there).length) return course(process);
  // An apply has turned back: what follows its second turn comes after what happened until then.
  const first = { ...process, ...there, phase: there.ready_seconds ? 'ready' : 'starting' };
  if (there.failed_seconds) first.phase = 'failed';
  if (process.phase === 'waiting') return course(first);
  const again = secondTurn(process, there);
  return [...upTo(course(first), again), ...after(course(process), again)];
}

/** When the way back began for the process: its second drain or stop or, if it was down, its second start. */
function secondTurn(process, there) {
  if (process.waited_seconds > there.waited_seconds) return process.waited_seconds;
  if (process.phase === 'stopped') return Infinity;
  const { waited_seconds: waited, drain_seconds: drained = 0 } = process;
  return waited + drained + process.stop_seconds + process.down_seconds;
}

/** The part of a story before `end`, of which all is told. */
function upTo(told, end) {
  const parts = [];
  let left = end;
  for (const [kind, seconds] of told) {
    parts.push([kind, Math.min(seconds, left)]);
    left -= parts.at(-1)[1];
  }
  return parts;
}

/** The part of a story from `begin` on. */
function after(told, begin) {
  const parts = [];
  let past = begin;
  for (const [kind, seconds] of told) {
    const skipped = Math.min(seconds, past);
    if (seconds > skipped) parts.push([kind, seconds - skipped]);
    past -= skipped;
  }
  return parts;
}

/** The story of one turn. */
function course(process) {
  const { phase, failed_seconds: failed } = process;
  const begun = process.waited_seconds || process.drain_seconds || process.stop_seconds;
  const untouched = !begun && !process.new_pid;
  const waits = phase === 'waiting' || (untouched && (phase === 'skipped' || phase === 'failed'));
  if (waits && process.old_pid) return [['serving', Infinity]];
  const before = [[process.old_pid ? 'serving' : 'down', process.waited_seconds || 0]];
  // One that was stopped on purpose is left so; it is not down because of this.
  const idle = phase === 'skipped' ? 'left' : 'down';
  const told = waits ? [[idle, Infinity]] : [...before, ...turn(process)];
  return phase === 'failed' ? [...upTo(told, failed || 0), ['failed', Infinity]] : told;
}

/** What followed when its turn had come. */
function turn(process) {
  const { phase, drain_seconds: drained = 0 } = process;
  if (phase === 'draining') return [['draining', Infinity]];
  const drain = ['draining', drained];
  if (phase === 'stopping') return [drain, ['stopping', Infinity]];
  const signalled = process.action === 'signal' && process.old_pid;
  if (drained && !process.stop_seconds && !process.new_pid) return [drain, ...putBack(phase)];
  const stopped = signalled ? [] : [drain, lasting('stopping', process.stop_seconds, process)];
  if (phase === 'stopped') return [...stopped, [isGone(process) ? 'left' : 'down', Infinity]];
  const down = signalled ? [] : [['down', process.down_seconds]];
  if (signalled || process.new_pid || process.down_seconds || process.ready_seconds) {
    return [...stopped, ...down, ...start(process)];
  }
  return [...stopped, ...end(process)];
}

/** What followed when it was drained and not stopped after all: its RESTARTER_AFTER_READY puts it back. */
function putBack(phase) {
  if (phase === 'stopped') return [['down', Infinity]]; // it has died
  return [[phase === 'skipped' ? 'serving' : 'starting', Infinity]];
}

/** What followed when it had been started, or signalled. */
function start(process) {
  const { phase, ready_seconds: took } = process;
  if (phase === 'ready')
    return [
      ['starting', took],
      ['ready', Infinity],
    ];
  if (phase === 'failed' && took)
    return [
      ['starting', took],
      ['ready', Infinity],
    ];
  if (phase === 'starting' || phase === 'failed') return [['starting', Infinity]];
  return [['starting', took], ...end(process)];
}

/** How it ended when nothing else is known: one that failed lasted until then. */
function end(process) {
  return [[process.phase === 'failed' ? 'down' : 'left', Infinity]];
}

/** A span of one that failed in it is not told otherwise than by when it failed. */
function lasting(kind, seconds, { phase, new_pid: started }) {
  return [kind, seconds || (phase === 'failed' && !started ? Infinity : 0)];
}

/** Whether an apply has removed the process. */
export function isGone(process) {
  const removed = process.action === 'remove';
  if (process.phase === 'skipped') return removed && !process.error;
  // What has been added, and is taken away again.
  const undone = !process.old_pid && Object.keys(process.way_there ?? {}).length > 0;
  const told = process.note.includes('rolled back');
  return process.phase === 'stopped' && (removed || undone || told);
}

/** Whether something is being done to the process at this moment. */
export function inMotion(process) {
  return ACTIVE.has(process.phase) && !isGone(process);
}

/**
 * Which processes get a row of their own, and how many others are in which phase.
 *
 * @param {object[]} processes
 * @param {number} most
 * @returns {{rows: object[], others: Map<string, number>}}
 */
export function chooseRows(processes, most = MOST_ROWS) {
  if (processes.length <= most) return { rows: processes, others: new Map() };
  const failed = processes.filter((p) => p.phase === 'failed');
  const moving = processes.filter(inMotion);
  const chosen = new Set([...moving.slice(0, most), ...failed].slice(0, most));
  const others = new Map();
  for (const process of processes) {
    if (chosen.has(process)) continue;
    others.set(process.phase, (others.get(process.phase) ?? 0) + 1);
  }
  return { rows: processes.filter((p) => chosen.has(p)), others };
}

/**
 * How many processes do what, in `columns` moments from 0 to `end`.
 *
 * @param {Segment[][]} stories the segments of each process
 * @param {number} end
 * @param {number} columns
 * @returns {Map<string, number[]>} of each kind that occurs, a number per column
 */
export function counts(stories, end, columns) {
  const steps = new Map();
  const column = (at) => Math.round((at / end) * columns);
  for (const { kind, from, to } of stories.flat()) {
    const own = steps.get(kind) ?? new Array(columns + 1).fill(0);
    steps.set(kind, own);
    own[column(from)] += 1;
    own[column(to)] -= 1;
  }
  for (const own of steps.values()) {
    let sum = 0;
    for (let i = 0; i < own.length; i++) own[i] = sum += own[i];
    own.length = columns;
  }
  return steps;
}

/**
 * *Ready* over time as a step line: [seconds, number] where it changes, and where time has got to.
 * Between the moment when one process is ready and the stop of the next one pass some milliseconds:
 * a rise that lasts for less than `least` seconds is left out. A fall never is.
 *
 * @param {[number, number][]} points
 * @param {number} now
 * @param {number} least
 */
export function steps(points, now, least = 0) {
  const line = [];
  for (const [at, ready] of points) {
    if (at > now) break;
    const [was, before] = [line.at(-1), line.at(-2)];
    const short = was && at - was[0] < least && was[1] > ready;
    if (was && (was[0] === at || (short && before && before[1] < was[1]))) line.pop();
    if (line.at(-1)?.[1] !== ready) line.push([at, ready]);
  }
  if (line.length) line.push([now, line.at(-1)[1]]);
  return line;
}

/**
 * From which number to which the axis of *ready* goes. With many processes it begins just below the
 * floor, or the lowest point, else nothing would be seen of either.
 *
 * @param {number} total @param {number} floor @param {number} lowest
 */
export function readyRange(total, floor, lowest) {
  const low = Math.min(floor, lowest);
  const margin = Math.max(2, (total - low) / 2);
  return [total > MOST_ROWS && low > total / 2 ? Math.max(0, Math.floor(low - margin)) : 0, total];
}

/**
 * Round moments for the axis, at most `most` of them after 0.
 *
 * @param {number} end
 * @param {number} most
 */
export function ticks(end, most) {
  let step = NICE.find((one) => end / one <= most);
  if (!step) step = Math.ceil(end / most / 3600) * 3600;
  const found = [];
  for (let i = 0; i * step <= end; i++) found.push({ at: i * step, label: clock(i * step, step) });
  return found;
}

/** A moment on the axis: `5 s`, `0.5 s`, `1:30`, `1:00:00`. */
export function clock(seconds, step = 1) {
  if (!seconds) return '0';
  if (seconds < 60) return `${seconds.toFixed(Math.max(0, -Math.floor(Math.log10(step))))} s`;
  const two = (n) => String(Math.floor(n)).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  return `${Math.floor(seconds / 3600)}:${two((seconds % 3600) / 60)}:${two(seconds % 60)}`;
}

/** A length of time in words: `0.02 s`, `12.3 s`, `2 min 5 s`, `1 h 2 min`, `3 d 4 h`. */
export function span(seconds) {
  if (seconds < 9.995) return `${seconds.toFixed(2)} s`;
  if (seconds < 59.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const pair = (unit, name, part, small) => {
    const rest = Math.floor((whole % unit) / part);
    return `${Math.floor(whole / unit)} ${name}${rest ? ` ${rest} ${small}` : ''}`;
  };
  if (whole < 3600) return pair(60, 'min', 1, 's');
  return whole < DAY ? pair(3600, 'h', 60, 'min') : pair(DAY, 'd', 3600, 'h');
}

/**
 * Seconds of all processes together: `down` without a process, `away` without a ready one.
 *
 * @param {object[]} processes
 * @param {number} now
 */
export function outage(processes, now) {
  const total = { down: 0, away: 0 };
  for (const process of processes) {
    for (const { kind, from, to } of segments(process, now)) {
      if (kind === 'down') total.down += to - from;
      if (AWAY.has(kind)) total.away += to - from;
    }
  }
  return total;
}

/** Seconds from the begin to now (ms since 1970) or, if it is over, to its end; 0: not begun. */
export function elapsed(restart, now) {
  if (!restart.started_at) return 0;
  const begun = Date.parse(restart.started_at);
  const end = restart.finished_at ? Date.parse(restart.finished_at) : now;
  return Math.max(0, (end - begun) / 1000);
}
