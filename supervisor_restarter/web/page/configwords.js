/** What changed configuration files would change, in words (client/config_plans.py). Pure. */

import { namespec } from './model.js';
import { named, processes } from './wording.js';

const NUMBERS = /[0-9]+/g;
const SHORTEST_RUN = 3; // where so many follow one another by number, the first and last are named
const BECOMES = {
  restart: ['restart', (n) => `restart ${n}`],
  start: ['start', (n) => `start ${n}`],
  remove: ['remove', (n) => `remove ${n}`],
  live: ['change live, no restart', (n) => `change ${n} live`],
  later: ['change for the next start', (n) => `change ${n} for the next start`],
  add: ['add, without a start (autostart=false)', (n) => `add ${n} without a start`],
};
const GROUP_BECOMES = {
  add: 'is new',
  remove: 'is no longer in the files',
  replace: 'becomes another kind of group',
};
export const NOTHING = 'nothing to apply: what runs is what the files say';
export const SIGNS = { added: '+', removed: '−', changed: '~' };

/** `would change 6 processes: restart 4, start 2; 3 unchanged`. */
export function wouldChange(plan) {
  if (!plan.groups.length) return NOTHING;
  const actions = plan.groups.flatMap((group) => group.processes.map(({ action }) => action));
  const of = (action) => actions.filter((one) => one === action).length;
  const counts = Object.entries(BECOMES)
    .filter(([action]) => of(action))
    .map(([action, [, say]]) => say(of(action)));
  if (!counts.length) return 'would change no process';
  const rest = plan.unchanged ? `; ${plan.unchanged} unchanged` : '';
  return `would change ${processes(plan.total)}: ${counts.join(', ')}${rest}`;
}

/** What becomes of the group as a whole, '' if only some of it changes. */
export function groupBecomes(group) {
  return GROUP_BECOMES[group.action] ?? '';
}

/**
 * The group's processes, those together to which the same happens: exactly the same or, if they
 * have one name but for its numbers, the same but for numbers.
 *
 * @returns {{names: string, number: number, action: string, becomes: string, place: string,
 *   state: string, changes: object[], note: string}[]}
 */
export function entries(group) {
  const alike = together(group.processes, (one) => [
    one.name.replace(NUMBERS, '#'),
    likeness(one, false),
  ]);
  const merged = new Map();
  for (const same of alike) {
    const exact = new Set(same.map((one) => JSON.stringify(likeness(one, true))));
    const [first] = exact;
    const key = exact.size === 1 ? first : JSON.stringify([same[0].name, likeness(same[0], false)]);
    merged.set(key, [...(merged.get(key) ?? []), ...same]);
  }
  return [...merged.values()].map((same) => entry(group.group, same));
}

function together(some, key) {
  const found = new Map();
  for (const one of some) {
    const own = JSON.stringify(key(one));
    found.set(own, [...(found.get(own) ?? []), one]);
  }
  return [...found.values()];
}

function likeness(process, exact) {
  const value = (text) => (exact ? text : text.replace(NUMBERS, '#'));
  return [
    process.action,
    process.state,
    Boolean(process.follows),
    process.changes.map((c) => [c.key, c.what, value(c.old), value(c.new), c.effect]),
  ];
}

function entry(group, same) {
  const [first] = same;
  const differ = same.some((one) => JSON.stringify(one.changes) !== JSON.stringify(first.changes));
  const follows = same.map((one) => one.follows);
  return {
    names: runOrNames(
      group,
      same.map((one) => one.name),
    ),
    number: same.length,
    action: first.action,
    becomes: BECOMES[first.action]?.[0] ?? first.action,
    place: first.follows ? `in place of ${runOrNames(group, follows)}` : '',
    state: first.state === 'RUNNING' ? '' : first.state,
    changes: first.changes,
    note: differ
      ? `of ${namespec({ group, name: first.name })}; the others alike, with other numbers`
      : '',
  };
}

/** `web:0 to web:31` for a run of numbers, else the first few. */
export function runOrNames(group, names) {
  const specs = names.map((name) => ({ group, name }));
  if (names.length >= SHORTEST_RUN && isRun(names)) {
    return `${namespec(specs[0])} to ${namespec(specs.at(-1))}`;
  }
  return named(specs);
}

/** Whether they differ by one number alone, which grows by one. */
function isRun(names) {
  const ways = names.map((name) => /^(.*?)([0-9]+)([^0-9]*)$/s.exec(name));
  if (ways.includes(null)) return false;
  const [, stem, first, end] = ways[0];
  return ways.every(([, a, n, b], i) => a === stem && b === end && Number(n) === Number(first) + i);
}
