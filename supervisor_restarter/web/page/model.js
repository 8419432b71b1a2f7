/** What the page makes of what it knows: words, shapes, counts, what is shown. Pure. */

import { span } from './timeline.js';

/** @typedef {import('./live.js').Proc} Proc */
/** @typedef {import('./live.js').Group} Group */

/**
 * Supervisor's states, in the order of the counters: a sign that tells it without colour, and
 * whether a process is there (up) and whether it should worry the reader (bad).
 * @type {Record<string, {sign: string, word: string, up: boolean, bad: boolean}>}
 */
export const STATES = {
  RUNNING: { sign: '', word: 'Running', up: true, bad: false },
  STARTING: { sign: '↑', word: 'Starting', up: true, bad: false },
  STOPPING: { sign: '↓', word: 'Stopping', up: true, bad: false },
  STOPPED: { sign: '–', word: 'Stopped', up: false, bad: false },
  EXITED: { sign: '×', word: 'Exited', up: false, bad: false },
  BACKOFF: { sign: '↻', word: 'Backoff', up: false, bad: true },
  FATAL: { sign: '!', word: 'Fatal', up: false, bad: true },
  UNKNOWN: { sign: '?', word: 'Unknown', up: false, bad: true },
};

/** What is known of a state; a word of a newer Supervisor counts as UNKNOWN. */
export const about = (state) => STATES[state] ?? STATES.UNKNOWN;

const PLAIN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/**
 * Text on one line, as the command writes it: what would break it, hide in it or turn it round is
 * an escape.
 * @param {string} text
 */
export function plain(text) {
  return String(text).replace(PLAIN, (c) => {
    const code = c.codePointAt(0).toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, '0')}` : `\\x${code.padStart(2, '0')}`;
  });
}

/** A process's name as supervisorctl writes it; what is called as its group has that name alone. */
export const namespec = ({ group, name }) => plain(group === name ? name : `${group}:${name}`);

/**
 * How the plugin's methods are to be given a group, whatever it is called: never as a glob.
 * @param {string} group
 */
export const groupName = (group) => `${group}:`;

/**
 * The same for a process. One called `*` would mean its whole group, so it is asked for by a glob
 * that only it matches.
 * @param {{group: string, name: string}} process
 */
export function processName({ group, name }) {
  if (name !== '*') return `${group}:${name}`;
  return `${group}:*`.replace(/[[*?]/g, '[$&]');
}

/** How long something lasts that goes on, and so coarse that it is mostly still true: '42 s', '3 min', '3 h 12 min'. */
export function age(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  return whole < 60 ? `${whole} s` : span(whole - (whole % 60));
}

/**
 * Whether an ended process has not ended as it should: what its text says is then worth a line.
 * @param {Proc} process
 */
export function ailing({ state, text }) {
  return about(state).bad || (state === 'EXITED' && text !== '' && text !== 'exit status 0');
}

/**
 * What is said of a process: ['RUNNING', 'pid 12', 'up 3 h'].
 * @param {Proc} process
 * @param {number} now seconds since the epoch, by the clock of the server
 * @returns {string[]}
 */
export function facts({ state, pid, since, text }, now) {
  const said = [state];
  if (pid) said.push(`pid ${pid}`);
  if (since) said.push(when(state, now - since));
  if (text) said.push(plain(text));
  return said;
}

/** What the time in a row means: since the start while it is up, since the end while it is not. */
export function when(state, seconds) {
  if (state === 'STARTING') return `for ${age(seconds)}`;
  return about(state).up ? `up ${age(seconds)}` : `${age(seconds)} ago`;
}

/** How many processes are in each state. @param {Proc[]} processes */
export function counts(processes) {
  /** @type {Record<string, number>} */
  const found = {};
  for (const { state } of processes) found[state] = (found[state] ?? 0) + 1;
  return found;
}

/** '3 of 4 running, 1 fatal', or '4 running'. @param {Proc[]} processes */
export function summary(processes) {
  const found = counts(processes);
  const running = found.RUNNING ?? 0;
  if (running === processes.length) return `${running} running`;
  const others = Object.keys(STATES).filter((state) => state !== 'RUNNING' && found[state]);
  const rest = others.map((state) => `${found[state]} ${about(state).word.toLowerCase()}`);
  if (!running && rest.length === 1) return rest[0];
  return [`${running} of ${processes.length} running`, ...rest].join(', ');
}

/**
 * Whether a process is shown: its state is among `states` (or there are none), and each word that
 * was searched for is somewhere in its name.
 * @param {Proc} process
 * @param {{states: Set<string>, search: string}} filter
 */
export function passes({ group, name, state }, { states, search }) {
  if (states.size && !states.has(state)) return false;
  const where = `${group}:${name}`.toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => where.includes(word));
}

/**
 * Why processes are down, each reason once, with the processes it holds for.
 * @param {Proc[]} processes
 * @returns {{key: string, state: string, text: string, names: string[]}[]}
 */
export function reasons(processes) {
  const found = new Map();
  for (const process of processes) {
    if (!ailing(process) || !process.text) continue;
    const key = `${process.state} ${process.text}`;
    const one = found.get(key) ?? {
      key,
      state: process.state,
      text: plain(process.text),
      names: [],
    };
    one.names.push(plain(process.name));
    found.set(key, one);
  }
  return [...found.values()];
}

/** 'a, b and 3 more' of at most `most` names. */
export function listed(names, most = 6) {
  if (names.length <= most + 1) return names.join(', ');
  return `${names.slice(0, most).join(', ')} and ${names.length - most} more`;
}

// Colours, titles and the like that programs write for terminals.
// biome-ignore lint/suspicious/noControlCharactersInRegex: this is what terminals are told with
const TERMINAL = /\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;
const UNSEEN = /[^\P{Cc}\n\t]|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/**
 * What of a log can be shown: without what is meant for terminals, control characters as their
 * pictures, and nothing that turns the direction of the text.
 * @param {string} text
 */
export function logText(text) {
  return text
    .replace(TERMINAL, '')
    .replace(/\r\n/g, '\n')
    .replace(UNSEEN, (one) => {
      const code = one.codePointAt(0);
      return code < 0x20 ? String.fromCodePoint(0x2400 + code) : '\ufffd';
    });
}

/**
 * A process within its group: `web_07` of the group `web` is `07`.
 * @param {{group: string, name: string}} process
 */
export function short({ group, name }) {
  const own = name.startsWith(group) && /^[_.-]./.test(name.slice(group.length));
  return plain(own ? name.slice(group.length + 1) : name);
}
