/** What a plan of a restart says, in words. Pure. */

import { plain } from './model.js';
import { span } from './timeline.js';
import { named, notReady, processes, verbs } from './wording.js';

/** `would restart 8 processes in 4 batches`. */
export function wouldDo(plan) {
  const [verb] = verbs(plan);
  if (!plan.total) return `nothing to ${verb}`;
  const number = plan.batches.length;
  return `would ${verb} ${processes(plan.total)} in ${number} ${number === 1 ? 'batch' : 'batches'}`;
}

/** What stays ready meanwhile, a line per group, and one for those that are there twice. */
export function availability(plan) {
  const all = plan.batches.flatMap((batch) => batch.processes);
  return plan.policies.flatMap((policy) => {
    const { group, allowed, size } = policy;
    const own = all.filter((process) => process.group === group);
    const beside = own.filter(({ action }) => action === 'surge').length;
    const down =
      allowed >= size ? `all ${size} may be down at once` : `${notReady(policy)} at once`;
    const lines = beside && beside === own.length ? [] : [down];
    if (beside) {
      const most = plan.options.max_surge;
      lines.push(`${processes(beside)}: the new one before the old one stops, ${most} at once`);
    }
    return lines.map((line) => `${plain(group)}: ${line}`);
  });
}

const HOOKS = { before_stop: 'RESTARTER_BEFORE_STOP', after_ready: 'RESTARTER_AFTER_READY' };

/** `runs RESTARTER_BEFORE_STOP for 3 processes, RESTARTER_AFTER_READY for 4`; '' if none is run. */
export function hookWords(plan) {
  const all = plan.batches.flatMap((batch) => batch.processes);
  const said = Object.entries(HOOKS).map(([purpose, name]) => {
    const number = all.filter(({ hooks = [] }) => hooks.includes(purpose)).length;
    return number ? `${name} for ${processes(number)}` : '';
  });
  const some = said.filter(Boolean).join(', ');
  return some && `runs ${some}`;
}

/**
 * The most seconds that the whole can take, Infinity for no limit. In groups with max_unavailable
 * each batch may have to wait for the one before; elsewhere they go by the clock.
 */
export function longest(plan) {
  const rolling = plan.policies.some(({ allowed, size }) => allowed < size);
  let end = 0;
  let last = 0;
  for (const [index, batch] of plan.batches.entries()) {
    if (!batch.longest) return Infinity;
    const trial = rolling && index === 1 ? Number(plan.options.scout) || 0 : 0;
    const begin = rolling ? Math.max(batch.after, last + trial) : batch.after;
    last = begin + batch.longest;
    end = Math.max(end, last);
  }
  return end;
}

/** `takes at most 2 min 5 s`. */
export function longestWords(plan) {
  if (!plan.batches.length) return '';
  const seconds = longest(plan);
  if (seconds === Infinity) return 'no time limit: a process may take for ever to become ready';
  const soonest = plan.batches.at(-1).after;
  const least = soonest >= 1 ? `; the last batch not before ${span(soonest)}` : '';
  return `takes at most ${span(seconds)}${least}`;
}

/** When a batch goes, and for how long. */
export function batchWords({ after, longest: most }) {
  const when = after ? `not before ${span(after)}` : 'at once';
  return `${when}, ${most ? `at most ${span(most)}` : 'no time limit'}`;
}

/** What is done to a process of a batch, if it is not what is done to most: ` (start)`. */
export function oddAction(plan, process) {
  return process.action === verbs(plan)[0] ? '' : ` (${process.action})`;
}

/** A line for all processes that are left alone in the same state for the same reason. */
export function leftLines(plan) {
  const alike = new Map();
  for (const process of plan.left) {
    const text = `${process.state} (${process.reason})`;
    alike.set(text, [...(alike.get(text) ?? []), process]);
  }
  return [...alike].map(([text, same]) => `${named(same)}: ${plain(text)}`);
}
