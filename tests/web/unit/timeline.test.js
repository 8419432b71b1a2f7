/** The numbers behind the picture of an operation: `node --test tests/web/unit`. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  chooseRows,
  clock,
  counts,
  elapsed,
  inMotion,
  isGone,
  lanes,
  outage,
  readyRange,
  segments,
  span,
  steps,
  ticks,
} from '../../../supervisor_restarter/web/page/timeline.js';

const PROCESS = {
  group: 'web',
  name: '0',
  action: 'restart',
  phase: 'waiting',
  old_pid: 11,
  new_pid: 0,
  waited_seconds: 0,
  stop_seconds: 0,
  down_seconds: 0,
  ready_seconds: 0,
  error: '',
  note: '',
};
const TURN = { waited_seconds: 1, stop_seconds: 2, down_seconds: 3, new_pid: 12 };

const process = (changes) => ({ ...PROCESS, ...changes });
const told = (changes, now = 10) =>
  segments(process(changes), now).map(({ kind, from, to }) => `${kind} ${from}-${to}`);

test('a process that waits serves until now', () => {
  assert.deepEqual(told({}), ['serving 0-10']);
});

test('one that was down and waits is down', () => {
  assert.deepEqual(told({ old_pid: 0 }), ['down 0-10']);
});

test('each phase lasts until now while it goes on', () => {
  assert.deepEqual(told({ phase: 'stopping', waited_seconds: 1 }), [
    'serving 0-1',
    'stopping 1-10',
  ]);
  assert.deepEqual(told({ phase: 'stopped', waited_seconds: 1, stop_seconds: 2 }), [
    'serving 0-1',
    'stopping 1-3',
    'down 3-10',
  ]);
  assert.deepEqual(told({ ...TURN, phase: 'starting' }), [
    'serving 0-1',
    'stopping 1-3',
    'down 3-6',
    'starting 6-10',
  ]);
});

test('one that is ready has gone through all of them', () => {
  assert.deepEqual(told({ ...TURN, phase: 'ready', ready_seconds: 2.5 }), [
    'serving 0-1',
    'stopping 1-3',
    'down 3-6',
    'starting 6-8.5',
    'ready 8.5-10',
  ]);
});

test('nothing reaches beyond now', () => {
  assert.deepEqual(told({ ...TURN, phase: 'ready', ready_seconds: 2.5 }, 2), [
    'serving 0-1',
    'stopping 1-2',
  ]);
});

test('one whose turn came at once has not served, and one that died at once was not stopped', () => {
  const died = { ...TURN, waited_seconds: 0, stop_seconds: 0, phase: 'starting' };
  assert.deepEqual(told(died), ['down 0-3', 'starting 3-10']);
});

test('one that was down from the beginning is down until it starts', () => {
  const started = { action: 'start', old_pid: 0, new_pid: 12, down_seconds: 3, ready_seconds: 1 };
  assert.deepEqual(told({ ...started, phase: 'ready' }), [
    'down 0-3',
    'starting 3-4',
    'ready 4-10',
  ]);
});

test('one that is signalled is never down', () => {
  const signalled = { action: 'signal', new_pid: 11, waited_seconds: 2, ready_seconds: 1 };
  assert.deepEqual(told({ ...signalled, phase: 'ready' }), [
    'serving 0-2',
    'starting 2-3',
    'ready 3-10',
  ]);
});

test('one that was not reached still serves', () => {
  assert.deepEqual(told({ phase: 'skipped', error: 'not reached' }), ['serving 0-10']);
});

test('one that was stopped on purpose and is left so is not down because of this', () => {
  assert.deepEqual(told({ phase: 'skipped', old_pid: 0 }), ['left 0-10']);
});

test('one that failed before anything was done to it still serves', () => {
  assert.deepEqual(told({ phase: 'failed', error: 'no such command' }), ['serving 0-10']);
});

test('one that did not come up has failed from that moment on', () => {
  assert.deepEqual(told({ ...TURN, phase: 'failed', failed_seconds: 8 }), [
    'serving 0-1',
    'stopping 1-3',
    'down 3-6',
    'starting 6-8',
    'failed 8-10',
  ]);
});

test('one that was ready and died has been ready', () => {
  const died = { ...TURN, phase: 'failed', ready_seconds: 1, failed_seconds: 9 };
  assert.deepEqual(told(died).slice(3), ['starting 6-7', 'ready 7-9', 'failed 9-10']);
});

test('one that could not be stopped, and one that could not be started', () => {
  const stuck = { phase: 'failed', waited_seconds: 1, failed_seconds: 5 };
  assert.deepEqual(told(stuck), ['serving 0-1', 'stopping 1-5', 'failed 5-10']);
  assert.deepEqual(told({ ...stuck, stop_seconds: 2 }), [
    'serving 0-1',
    'stopping 1-3',
    'down 3-5',
    'failed 5-10',
  ]);
  assert.deepEqual(told({ phase: 'failed', old_pid: 0, failed_seconds: 2 }), [
    'down 0-2',
    'failed 2-10',
  ]);
});

const FAILED_THERE = {
  waited_seconds: 1,
  stop_seconds: 1,
  down_seconds: 0,
  ready_seconds: 0,
  failed_seconds: 4,
};

test('one that is rolled back has two turns', () => {
  const back = { ...TURN, waited_seconds: 5, stop_seconds: 1, down_seconds: 0, ready_seconds: 2 };
  const there = { ...FAILED_THERE, ready_seconds: 2, failed_seconds: 0 };
  assert.deepEqual(told({ ...back, phase: 'ready', way_there: there }), [
    'serving 0-1',
    'stopping 1-2',
    'starting 2-4',
    'ready 4-5',
    'stopping 5-6',
    'starting 6-8',
    'ready 8-10',
  ]);
  assert.deepEqual(told({ ...there, phase: 'waiting', new_pid: 12, way_there: there }), [
    'serving 0-1',
    'stopping 1-2',
    'starting 2-4',
    'ready 4-10',
  ]);
});

test('one that failed and was down when an apply turned back only starts again', () => {
  const back = { ...FAILED_THERE, failed_seconds: 0, new_pid: 13, way_there: FAILED_THERE };
  const there = ['serving 0-1', 'stopping 1-2', 'starting 2-4'];
  assert.deepEqual(told({ ...back, phase: 'stopped' }), [...there, 'failed 4-10']);
  assert.deepEqual(told({ ...back, phase: 'starting', down_seconds: 4 }), [
    ...there,
    'failed 4-6',
    'starting 6-10',
  ]);
});

test('a removed one is gone, and not down', () => {
  const removed = { action: 'remove', phase: 'stopped', waited_seconds: 4, stop_seconds: 1 };
  assert.deepEqual(told(removed), ['serving 0-4', 'stopping 4-5', 'left 5-10']);
  assert.equal(isGone(process(removed)), true);
  assert.equal(inMotion(process(removed)), false);
});

test('one added and rolled back is gone, too', () => {
  const there = { ...FAILED_THERE, waited_seconds: 0, ready_seconds: 2, failed_seconds: 0 };
  const added = { phase: 'stopped', action: 'start', old_pid: 0, new_pid: 12, way_there: there };
  const back = { ...added, waited_seconds: 5, stop_seconds: 1 };
  assert.deepEqual(told(back).slice(-3), ['ready 3-5', 'stopping 5-6', 'left 6-10']);
  assert.equal(isGone(process(back)), true);
  assert.equal(isGone(process({ phase: 'stopped' })), false);
});

test('without a gap and without an overlap, whatever the numbers are', () => {
  for (const phase of [
    'waiting',
    'stopping',
    'stopped',
    'starting',
    'ready',
    'skipped',
    'failed',
  ]) {
    for (const action of ['restart', 'start', 'signal', 'remove']) {
      for (let bits = 0; bits < 64; bits++) {
        const on = (bit, value) => (bits & (1 << bit) ? value : 0);
        const one = process({
          phase,
          action,
          old_pid: on(0, 11),
          new_pid: on(1, 12),
          waited_seconds: on(2, 1.5),
          stop_seconds: on(3, 0.25),
          down_seconds: on(4, 2),
          ready_seconds: on(5, 3),
          failed_seconds: phase === 'failed' ? 4 : 0,
        });
        let at = 0;
        for (const { from, to } of segments(one, 9)) {
          assert.equal(from, at);
          assert.ok(to > from);
          at = to;
        }
        assert.equal(at, 9, JSON.stringify(one));
      }
    }
  }
});

test('up to forty processes have a row each', () => {
  const forty = Array.from({ length: 40 }, (_, i) => process({ name: `${i}` }));
  assert.equal(chooseRows(forty).rows.length, 40);
  assert.equal(chooseRows(forty).others.size, 0);
});

test('of more those in motion and the failed have one, and the others are counted', () => {
  const phases = ['stopping', 'failed', ...new Array(30).fill('waiting'), 'starting'];
  const many = [...phases, ...new Array(10).fill('ready')].map((phase) => process({ phase }));
  const { rows, others } = chooseRows(many);
  assert.deepEqual(
    rows.map(({ phase }) => phase),
    ['stopping', 'failed', 'starting'],
  );
  assert.deepEqual(Object.fromEntries(others), { waiting: 30, ready: 10 });
});

test('never more rows than there may be', () => {
  const many = Array.from({ length: 500 }, () => process({ phase: 'failed' }));
  const { rows, others } = chooseRows(many);
  assert.equal(rows.length, 40);
  assert.equal(others.get('failed'), 460);
});

test('every process is counted at every moment', () => {
  const stories = [
    segments(process({ ...TURN, phase: 'ready', ready_seconds: 2 }), 10),
    segments(process({}), 10),
  ];
  const found = counts(stories, 10, 20);
  assert.equal(found.get('serving')[0], 2);
  assert.equal(found.get('serving')[3], 1);
  assert.equal(found.get('ready')[19], 1);
  for (let column = 0; column < 20; column++) {
    let sum = 0;
    for (const own of found.values()) sum += own[column];
    assert.equal(sum, 2);
  }
});

test('ready over time: a point where it changes, and one for now', () => {
  const points = [
    [0, 4],
    [0, 3],
    [1, 3],
    [2, 4],
    [9, 3],
  ];
  assert.deepEqual(steps(points, 5), [
    [0, 3],
    [2, 4],
    [5, 4],
  ]);
  assert.deepEqual(steps([], 5), []);
});

test('a short rise between two turns is left out, a short fall is not', () => {
  const rise = [
    [0, 3],
    [2, 4],
    [2.01, 3],
    [6, 4],
  ];
  assert.deepEqual(steps(rise, 9, 0.1), [
    [0, 3],
    [6, 4],
    [9, 4],
  ]);
  assert.equal(steps(rise, 9, 0.001).length, 5);
  const fall = [
    [0, 4],
    [2, 3],
    [2.01, 4],
  ];
  assert.equal(steps(fall, 9, 0.1).length, 4);
  const stairs = [
    [0, 3],
    [2, 4],
    [2.01, 5],
  ];
  assert.equal(steps(stairs, 9, 0.1).length, 4);
});

test('the axis of ready begins at 0, or below the floor if there are many', () => {
  assert.deepEqual(readyRange(8, 6, 6), [0, 8]);
  assert.deepEqual(readyRange(500, 450, 460), [425, 500]);
  assert.deepEqual(readyRange(500, 475, 0), [0, 500]);
});

test('the axis of time has round moments', () => {
  assert.deepEqual(
    ticks(7, 4).map(({ label }) => label),
    ['0', '2 s', '4 s', '6 s'],
  );
  assert.ok(ticks(1e6, 8).length <= 9);
  assert.equal(clock(90), '1:30');
  assert.equal(clock(3661), '1:01:01');
  assert.equal(clock(0.5, 0.5), '0.5 s');
  assert.equal(clock(0.02, 0.02), '0.02 s');
  assert.equal(clock(2, 2), '2 s');
});

test('lengths of time in words', () => {
  assert.equal(span(0.018), '0.02 s');
  assert.equal(span(12.34), '12.3 s');
  assert.equal(span(59.96), '1 min');
  assert.equal(span(125), '2 min 5 s');
  assert.equal(span(3720), '1 h 2 min');
  assert.equal(span(97200), '1 d 3 h');
});

test('down is without a process, away without one that serves', () => {
  const one = process({ ...TURN, phase: 'ready', ready_seconds: 2 });
  assert.deepEqual(outage([one, process({})], 10), { down: 3, away: 7 });
});

test('time stands still before the begin and after the end', () => {
  const started_at = '2026-01-01T00:00:10.500Z';
  const now = Date.parse('2026-01-01T00:00:20.000Z');
  assert.equal(elapsed({ started_at: '' }, now), 0);
  assert.equal(elapsed({ started_at, finished_at: '' }, now), 9.5);
  assert.equal(elapsed({ started_at, finished_at: '2026-01-01T00:00:12.000Z' }, now), 1.5);
});

test('what is drained does not serve, and is stopped after that', () => {
  const draining = { phase: 'draining', waited_seconds: 1 };
  assert.deepEqual(told(draining), ['serving 0-1', 'draining 1-10']);
  assert.equal(outage([process(draining)], 10).away, 9);
  assert.equal(inMotion(process(draining)), true);
  const drained = { ...TURN, drain_seconds: 0.5, ready_seconds: 2.5, phase: 'ready' };
  assert.deepEqual(told(drained), [
    'serving 0-1',
    'draining 1-1.5',
    'stopping 1.5-3.5',
    'down 3.5-6.5',
    'starting 6.5-9',
    'ready 9-10',
  ]);
});

test('what was drained and is not stopped is put back', () => {
  const drained = { drain_seconds: 2, failed_seconds: 4 };
  assert.deepEqual(told({ ...drained, phase: 'starting' }), ['draining 0-2', 'starting 2-10']);
  assert.deepEqual(told({ ...drained, phase: 'skipped' }), ['draining 0-2', 'serving 2-10']);
  const failed = ['draining 0-2', 'starting 2-4', 'failed 4-10'];
  assert.deepEqual(told({ ...drained, phase: 'failed' }), failed);
});

const SURGE = { action: 'surge', waited_seconds: 1, new_pid: 12 };
const both = (changes, now = 10) =>
  lanes(process(changes), now).map((lane) => lane.map((p) => `${p.kind} ${p.from}-${p.to}`));

test('a new process beside the old one has a lane of its own, and nothing is ever away', () => {
  const ready = { ...SURGE, phase: 'ready', ready_seconds: 4, drain_seconds: 1, stop_seconds: 3 };
  assert.deepEqual(both(ready), [
    ['serving 0-4', 'draining 4-5', 'stopping 5-8'],
    ['starting 1-5', 'ready 5-10'],
  ]);
  assert.deepEqual(told(ready), ['serving 0-5', 'ready 5-10']);
  assert.deepEqual(outage([process(ready)], 10), { down: 0, away: 0 });
  const [old] = both({ ...ready, stop_seconds: 0 });
  assert.equal(old.at(-1), 'stopping 5-10');
});

test('until the new process is ready, the old one serves; if it never is, for good', () => {
  const starting = ['serving 0-10'];
  assert.deepEqual(both({ ...SURGE, phase: 'starting' }), [starting, ['starting 1-10']]);
  assert.deepEqual(both({ ...SURGE, phase: 'failed', failed_seconds: 3 }), [
    starting,
    ['starting 1-3', 'failed 3-10'],
  ]);
  assert.deepEqual(both({ ...SURGE, phase: 'skipped', error: 'not reached' }), [starting, []]);
});

test('a process that is to surge and was down, or waits, has one lane', () => {
  assert.equal(both({ ...SURGE, down_seconds: 2, phase: 'starting' }).length, 1);
  assert.deepEqual(both({ ...SURGE, new_pid: 0, phase: 'waiting' }), [['serving 0-10']]);
});
