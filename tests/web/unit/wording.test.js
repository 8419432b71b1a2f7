/** What the page says of operations, plans and changed configuration. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  entries,
  runOrNames,
  wouldChange,
} from '../../../supervisor_restarter/web/page/configwords.js';
import {
  availability,
  hookWords,
  leftLines,
  longest,
  longestWords,
  wouldDo,
} from '../../../supervisor_restarter/web/page/planwords.js';
import {
  fate,
  isCommitted,
  leftovers,
  named,
  oldStopping,
  optionLine,
  stateWord,
  waitingFor,
  when,
} from '../../../supervisor_restarter/web/page/wording.js';

const PROCESS = {
  group: 'web',
  name: '0',
  action: 'restart',
  phase: 'ready',
  old_pid: 11,
  new_pid: 12,
  waited_seconds: 0,
  stop_seconds: 0.1,
  down_seconds: 0.02,
  ready_seconds: 1,
  error: '',
  note: '',
};
const process = (changes) => ({ ...PROCESS, ...changes });

test('what has become of a process is said as the command says it', () => {
  assert.equal(fate(process({})), 'restarted (down 0.02 s, ready after 1.00 s)');
  assert.equal(fate(process({ old_pid: 0 })), 'started (ready after 1.00 s)');
  assert.equal(fate(process({ new_pid: 11 })), 'signalled (ready after 1.00 s)');
  const surge = { action: 'surge', down_seconds: 0, drain_seconds: 2 };
  assert.equal(fate(process(surge)), 'restarted (ready after 1.00 s, drained in 2.00 s)');
  const drained = 'restarted (drained in 2.00 s, down 0.02 s, ready after 1.00 s)';
  assert.equal(fate(process({ drain_seconds: 2 })), drained);
  assert.equal(fate(process({ phase: 'failed', error: 'exit status 3' })), 'ERROR (exit status 3)');
  assert.equal(
    fate(process({ error: 'exit status 3', note: 'rolled back' })),
    'ERROR (exit status 3; rolled back)',
  );
  assert.equal(fate(process({ phase: 'skipped' })), 'skipped (not running)');
  assert.equal(fate(process({ phase: 'stopped', action: 'remove' })), 'removed');
  assert.equal(fate(process({ phase: 'stopping' })), 'stopping');
});

test('an apply can be cancelled until only what it removes is left', () => {
  const apply = { kind: 'apply', state: 'running' };
  const old = (phase) => process({ name: 'old', action: 'remove', phase });
  assert.ok(!isCommitted(apply, [process({ phase: 'starting' }), old('waiting')]));
  assert.ok(!isCommitted(apply, [process({}), old('waiting')]));
  // It has died by itself, while others are not over.
  assert.ok(!isCommitted(apply, [process({ phase: 'starting' }), old('stopped')]));
  assert.ok(isCommitted(apply, [process({}), old('stopping')]));
  assert.ok(isCommitted(apply, [old('stopping'), old('stopped')]));
  assert.ok(!isCommitted({ ...apply, kind: 'restart' }, [process({})]));
});

test('some are named, the others counted', () => {
  const seven = Array.from({ length: 7 }, (_, i) => ({ group: 'web', name: `${i}` }));
  assert.equal(named(seven), 'web:0, web:1, web:2, web:3, web:4 and 2 more');
});

test('those to which nothing was done share a line if the same is said of them', () => {
  const left = { phase: 'skipped', error: 'not reached' };
  const two = [process(left), process({ ...left, name: '1' }), process({})];
  const [{ text, some }, ...others] = leftovers(two);
  assert.equal(text, 'skipped (not reached)');
  assert.equal(some.length, 2);
  assert.deepEqual(others, []);
});

test('what stops is waited for before what starts, and not told in its first second', () => {
  const starting = process({ phase: 'starting', stop_seconds: 0, down_seconds: 0 });
  const stopping = process({ name: '1', phase: 'stopping', waited_seconds: 7, stop_limit: 600 });
  assert.equal(waitingFor([starting], 0.5), '');
  assert.equal(waitingFor([starting], 3), 'web:0 starting for 3 s');
  assert.equal(waitingFor([starting, stopping], 9), 'web:1 stopping for 2 s of 600 and 1 more');
});

test('what is drained is waited for since then, what starts beside its old one since its turn', () => {
  const drained = { drain_seconds: 2, stop_seconds: 0, down_seconds: 0, waited_seconds: 1 };
  const said = (changes) => waitingFor([process({ ...drained, ...changes })], 10);
  const draining = process({ ...drained, phase: 'draining', drain_seconds: 0 });
  assert.equal(waitingFor([draining], 10), 'web:0 draining for 9 s');
  const limited = waitingFor([draining], 10, { hook_timeout: 30 });
  assert.equal(limited, 'web:0 draining for 9 s of 30');
  assert.equal(said({ phase: 'stopping', stop_limit: 0 }), 'web:0 stopping for 7 s');
  assert.equal(said({ phase: 'starting', action: 'surge' }), 'web:0 starting for 9 s');
});

test('old processes that still stop are counted', () => {
  assert.equal(oldStopping({ old_stopping: 3 }), '3 old processes still stopping');
  assert.equal(oldStopping({ old_stopping: 1 }), '1 old process still stopping');
  assert.equal(oldStopping({ old_stopping: 0 }), '');
  assert.equal(oldStopping({}), '');
});

test('an apply on its way back says so', () => {
  const restart = { kind: 'apply', state: 'running', why: 'web:0: exit status 1' };
  assert.equal(stateWord(restart), 'rolling back');
  assert.equal(stateWord({ ...restart, state: 'rolled_back' }), 'rolled back');
});

test('options that are set', () => {
  const options = { scout: 5, timeout: '', only_running: false, newer_than: [] };
  assert.equal(optionLine({ options }), 'scout = 5, only_running = false');
  assert.equal(optionLine({}), '');
});

test('when it was', () => {
  const now = Date.parse('2026-01-01T00:10:00Z');
  assert.equal(when('2026-01-01T00:09:59Z', now), '1 second ago');
  assert.equal(when('2026-01-01T00:05:00Z', now), '5 minutes ago');
});

const BATCH = { number: 1, after: 0, longest: 10, processes: [] };
const plan = (policy, ...batches) => ({
  total: 2,
  options: { scout: 5, method: 'restart' },
  policies: [{ group: 'web', ...policy }],
  batches,
});

test('batches of a rolling restart follow each other, waves go by the clock', () => {
  const second = { ...BATCH, number: 2, after: 6 };
  const third = { ...BATCH, number: 3, after: 7 };
  assert.equal(longest(plan({ allowed: 1, size: 3 }, BATCH, second, third)), 10 + 5 + 10 + 10);
  assert.equal(longest(plan({ allowed: 3, size: 3 }, BATCH, second, third)), 17);
  assert.equal(longest(plan({ allowed: 1, size: 2 }, BATCH, { ...second, longest: 0 })), Infinity);
  assert.match(
    longestWords(plan({ allowed: 1, size: 3 }, { ...BATCH, longest: 0 })),
    /no time limit/,
  );
});

test('a plan says what is there twice, and what commands are run', () => {
  const held = { group: 'web', size: 2, allowed: 2 };
  const some = (...actions) => actions.map((action) => ({ group: 'web', action, hooks: [] }));
  const told = (...actions) => {
    const one = plan(held, { ...BATCH, processes: some(...actions) });
    return availability({ ...one, options: { ...one.options, max_surge: '50%' } });
  };
  const twice = 'the new one before the old one stops, 50% at once';
  assert.deepEqual(told('surge', 'surge'), [`web: 2 processes: ${twice}`]);
  assert.deepEqual(told('surge', 'restart'), [
    'web: all 2 may be down at once',
    `web: 1 process: ${twice}`,
  ]);
  const [both, one] = [['before_stop', 'after_ready'], ['after_ready']];
  const hooked = [both, one, []].map((hooks) => ({ group: 'web', action: 'restart', hooks }));
  assert.equal(
    hookWords(plan(held, { ...BATCH, processes: hooked })),
    'runs RESTARTER_BEFORE_STOP for 1 process, RESTARTER_AFTER_READY for 2 processes',
  );
  assert.equal(hookWords(plan(held, BATCH)), '');
});

test('what a plan would do', () => {
  assert.equal(wouldDo(plan({}, BATCH)), 'would restart 2 processes in 1 batch');
  assert.equal(wouldDo({ ...plan({}), total: 0 }), 'nothing to restart');
  const left = { group: 'web', name: '0', state: 'RUNNING', reason: 'already started' };
  assert.deepEqual(leftLines({ left: [left, { ...left, name: '1' }] }), [
    'web:0, web:1: RUNNING (already started)',
  ]);
});

const CHANGE = {
  key: 'command',
  what: 'changed',
  old: 'serve 80',
  new: 'serve 81',
  effect: 'restart',
};
const changed = (name, changes) => ({
  name,
  action: 'restart',
  state: 'RUNNING',
  follows: '',
  changes,
});

test('processes with the same changes, but for numbers, are one entry', () => {
  const own = (n) => [{ ...CHANGE, old: `serve 80${n}`, new: `serve 81${n}` }];
  const [entry, ...others] = entries({
    group: 'web',
    processes: [0, 1, 2].map((n) => changed(`${n}`, own(n))),
  });
  assert.deepEqual([entry.names, entry.number, others.length], ['web:0 to web:2', 3, 0]);
  assert.equal(entry.note, 'of web:0; the others alike, with other numbers');
});

test('so are processes with other names and exactly the same changes', () => {
  const processes = [changed('alpha', [CHANGE]), changed('beta', [CHANGE])];
  const [entry, ...others] = entries({ group: 'web', processes });
  assert.deepEqual([entry.names, entry.note, others], ['web:alpha, web:beta', '', []]);
});

test('processes with other changes are not', () => {
  const processes = [changed('0', [CHANGE]), changed('1', [{ ...CHANGE, new: 'other' }])];
  assert.equal(entries({ group: 'web', processes }).length, 2);
});

test('a run of numbers is named by its ends', () => {
  assert.equal(runOrNames('web', ['08', '09', '10']), 'web:08 to web:10');
  assert.equal(runOrNames('web', ['1', '2', '4']), 'web:1, web:2, web:4');
  assert.equal(runOrNames('web', ['a', 'b', 'c']), 'web:a, web:b, web:c');
});

test('what changed files would change', () => {
  const processes = [changed('0', [CHANGE]), { ...changed('1', []), action: 'remove' }];
  const whole = { groups: [{ group: 'web', processes }], total: 2, unchanged: 3 };
  assert.equal(wouldChange(whole), 'would change 2 processes: restart 1, remove 1; 3 unchanged');
  assert.equal(wouldChange({ groups: [] }), 'nothing to apply: what runs is what the files say');
});
