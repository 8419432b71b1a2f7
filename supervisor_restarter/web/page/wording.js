/**
 * What is said of an operation and of its processes, in the words of the command
 * (client/wording.py). Pure.
 */

import { namespec, plain } from './model.js';
import { inMotion, isGone, span } from './timeline.js';

const LONG_DRAIN = 1; // seconds; a shorter drain is not worth a word
const NAMED = 5; // how many processes a line names
const METHOD_VERBS = {
  restart: ['restart', 'restarted'],
  start: ['start', 'started'],
  signal: ['signal', 'signalled'],
};
const AT_ONCE = {
  live: 'changed live',
  later: 'changed, holds from its next start',
  add: 'added, not started (autostart=false)',
  drop: 'removed',
};
const SETTLED = new Set(['ready', 'skipped', 'failed']);

/** `text` with a capital at its beginning. */
export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function processes(number) {
  return number === 1 ? '1 process' : `${number} processes`;
}

export function isApply(restart) {
  return restart.kind === 'apply';
}

/** `restart 7` or `apply 7`. */
export function title(restart) {
  return `${isApply(restart) ? 'apply' : 'restart'} ${restart.id}`;
}

/** Whether its result is certain; what is down may still be on its way back. */
export function ended(restart) {
  return restart.state !== 'queued' && restart.state !== 'running';
}

export function isRollingBack(restart) {
  return isApply(restart) && Boolean(restart.why) && !ended(restart);
}

/** Whether nothing can be cancelled any more: of an apply, only what it removes is left. */
export function isCommitted(restart, all) {
  const settled = ({ action, phase }) => action === 'remove' || SETTLED.has(phase);
  const leaving = ({ action, phase }) => action === 'remove' && phase !== 'waiting';
  return isApply(restart) && all.every(settled) && all.some(leaving);
}

/** The state in words. */
export function stateWord(restart) {
  if (isRollingBack(restart)) return 'rolling back';
  return restart.state.replace('_', ' ');
}

/** What a restart (or a plan) does to processes, and what it has done. */
export function verbs(concerned) {
  const method = String(concerned.options?.method ?? '').split(':')[0];
  return METHOD_VERBS[method] ?? METHOD_VERBS.restart;
}

export function notReached(process) {
  return process.phase === 'skipped' && process.error.startsWith('not reached');
}

/** Whether it has failed. After a rollback it is ready again, or gone, all the same. */
export function wentWrong(process) {
  const back = process.phase === 'ready' || isGone(process);
  return process.phase === 'failed' || (back && Boolean(process.error));
}

/** What has become of a process, or what is being done to it. */
export function fate(process) {
  const { phase, error, note } = process;
  if (isGone(process) && !error) return note ? `removed (${note})` : 'removed';
  if (phase === 'ready' && !error) return readyWords(process);
  const said = [error, note].filter(Boolean).join('; ');
  if (wentWrong(process)) return `ERROR (${said || 'no reason given'})`;
  if (phase === 'skipped') return `skipped (${said || 'not running'})`;
  return said ? `${phase} (${said})` : phase;
}

function readyWords(process) {
  const after = `ready after ${span(process.ready_seconds)}`;
  const list = (...words) => words.filter(Boolean).join(', ');
  if (process.old_pid && process.old_pid === process.new_pid) {
    return `signalled (${list(process.note, after)})`;
  }
  if (!process.old_pid) return `started (${list(process.note, after)})`;
  const drain = process.drain_seconds || 0;
  const drained = drain >= LONG_DRAIN ? `drained in ${span(drain)}` : '';
  const down = process.down_seconds;
  if (process.action === 'surge' && !down) {
    return `restarted (${list(after, drained, process.note)})`; // the new one came first
  }
  return `restarted (${list(drained, process.note, `down ${span(down)}`, after)})`;
}

/** The first few of some processes by name, and how many more there are. */
export function named(some, most = NAMED) {
  const more = some.length - most;
  return some.slice(0, most).map(namespec).join(', ') + (more > 0 ? ` and ${more} more` : '');
}

/** [{text, some}] of all to which nothing was done, one for those of whom the same is to be said. */
export function leftovers(all) {
  return grouped(
    all.filter((p) => p.phase === 'skipped' && !isGone(p)),
    fate,
  );
}

/** [{text, some}] of what an apply has changed without a stop and a start. */
export function atOnce(restart) {
  return grouped(restart.at_once ?? [], (one) => AT_ONCE[one.action] ?? one.action).map(
    ({ text, some }) => ({
      text,
      some: some.map((one) => (one.name ? one : { group: one.group, name: one.group })),
    }),
  );
}

function grouped(some, say) {
  const alike = new Map();
  for (const one of some) {
    const text = say(one);
    const same = alike.get(text);
    if (same) same.push(one);
    else alike.set(text, [one]);
  }
  return [...alike].map(([text, same]) => ({ text, some: same }));
}

/**
 * `web:2 stopping for 42 s of 600 and 3 more`: what is waited for longest; '' if nothing is, for
 * more than a second. Draining and stopping come before starting: the next one's turn may depend on
 * it, and it may end with a SIGKILL.
 *
 * @param {object[]} all
 * @param {number} now seconds since the begin
 * @param {{hook_timeout?: number}} options of the operation
 */
export function waitingFor(all, now, { hook_timeout } = {}) {
  const since = (p) => now - phaseBegan(p);
  const order = (p) => (p.phase === 'starting' ? 0 : 1e9) + since(p);
  const pending = all.filter((p) => inMotion(p) && p.phase !== 'stopped');
  if (!pending.length) return '';
  const first = pending.reduce((a, b) => (order(b) > order(a) ? b : a));
  const seconds = since(first);
  if (seconds < 1) return '';
  const limits = { draining: hook_timeout, stopping: first.stop_limit };
  const limit = limits[first.phase];
  const more = pending.length > 1 ? ` and ${pending.length - 1} more` : '';
  return (
    `${namespec(first)} ${first.phase} for ${Math.floor(seconds)} s` +
    `${limit ? ` of ${Math.round(limit)}` : ''}${more}`
  );
}

/** When the phase of a process in motion began, in seconds since the operation did. */
function phaseBegan(process) {
  const { phase, action, stop_seconds: stopped, down_seconds: down } = process;
  const turn = process.waited_seconds || 0;
  const drained = turn + (process.drain_seconds || 0);
  if (action === 'surge' && !down) return turn; // the new one is started at once
  if (phase === 'draining') return turn;
  return phase === 'stopping' ? drained : drained + stopped + down;
}

/** `3 old processes still stopping`; '' if none is. */
export function oldStopping({ old_stopping: number }) {
  if (!number) return '';
  return `${number} old ${number === 1 ? 'process' : 'processes'} still stopping`;
}

/** What holds in each group, as far as it is set anywhere, and where that is. */
export function policyLines(concerned) {
  const lines = [];
  for (const policy of concerned.policies ?? []) {
    const held = [];
    for (const [name, where] of Object.entries(policy.from)) {
      if (where === 'default') continue;
      const of = name === 'max_unavailable' ? `: ${notReady(policy)}` : '';
      held.push(`${name} = ${policy[name]} (${where}${of})`);
    }
    if (held.length) lines.push(`${plain(policy.group)}: ${held.join(', ')}`);
  }
  return lines;
}

/** What the call and the configuration say, as far as anything is set. */
export function optionLine(restart) {
  const set = Object.entries(restart.options ?? {}).filter(([, value]) => String(value) !== '');
  return set.map(([name, value]) => `${name} = ${plain(value)}`).join(', ');
}

/** `at most 2 of 8 not ready`. */
export function notReady(policy) {
  return `at most ${policy.allowed} of ${policy.size} not ready`;
}

/** A time of the server's (ISO 8601) for a reader, as of `now` (ms). */
export function when(iso, now) {
  const at = new Date(iso);
  const seconds = Math.floor((now - at) / 1000);
  const ago = (number, unit) => `${number} ${unit}${number === 1 ? '' : 's'} ago`;
  if (seconds < 0 || seconds >= 3600) {
    const today = at.toDateString() === new Date(now).toDateString();
    return today ? at.toLocaleTimeString() : at.toLocaleString();
  }
  return seconds < 60 ? ago(seconds, 'second') : ago(Math.floor(seconds / 60), 'minute');
}
