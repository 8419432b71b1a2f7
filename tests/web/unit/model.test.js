/** The pure part of the page: words, shapes, what is shown. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  about,
  age,
  ailing,
  counts,
  facts,
  groupName,
  listed,
  logText,
  namespec,
  passes,
  plain,
  processName,
  reasons,
  STATES,
  short,
  summary,
} from '../../../supervisor_restarter/web/page/model.js';

const proc = (name, state = 'RUNNING', more = {}) => ({
  index: 0,
  group: 'web',
  name,
  namespec: `web:${name}`,
  state,
  pid: 0,
  since: 0,
  text: '',
  logs: 0,
  ...more,
});

test('each state has a sign of its own, so that colour is not needed', () => {
  const signs = Object.values(STATES).map(({ sign }) => sign);
  assert.equal(new Set(signs).size, signs.length);
});

test('a state that is not known yet counts as unknown', () => {
  assert.equal(about('FROZEN'), STATES.UNKNOWN);
});

test('names are shown on one line, and nothing in them is hidden or turned round', () => {
  assert.equal(plain('<script>'), '<script>');
  assert.equal(plain('a\nb\tc'), 'a\\x0ab\\x09c');
  assert.equal(plain('a\u202eb\u200b\u2028'), 'a\\u202eb\\u200b\\u2028');
  assert.equal(plain('Grüße, 世界'), 'Grüße, 世界');
});

test('a process is called by group and process, or one word where both are the same', () => {
  assert.equal(namespec({ group: 'web', name: '3' }), 'web:3');
  assert.equal(namespec({ group: 'nginx', name: 'nginx' }), 'nginx');
});

test('within its group a process is called by what is its own', () => {
  assert.equal(short({ group: 'web', name: 'web_07' }), '07');
  assert.equal(short({ group: 'web', name: '07' }), '07');
  assert.equal(short({ group: 'web', name: 'web' }), 'web');
  assert.equal(short({ group: 'web', name: 'website' }), 'website');
});

test('a group or a process is never named as a glob', () => {
  assert.equal(groupName('all'), 'all:');
  assert.equal(processName({ group: 'a[1]?', name: 'b*' }), 'a[1]?:b*');
  assert.equal(processName({ group: 'a[1]?', name: '*' }), 'a[[]1][?]:[*]');
});

test('what goes on is told in minutes after the first', () => {
  assert.equal(age(59.9), '59 s');
  assert.equal(age(185), '3 min');
  assert.equal(age(11_555), '3 h 12 min');
  assert.equal(age(-1), '0 s');
});

test('facts: since the start while it is up, since the end while it is not', () => {
  assert.deepEqual(facts(proc('0', 'RUNNING', { pid: 12, since: 100 }), 400), [
    'RUNNING',
    'pid 12',
    'up 5 min',
  ]);
  assert.deepEqual(facts(proc('0', 'STARTING', { pid: 12, since: 100 }), 102), [
    'STARTING',
    'pid 12',
    'for 2 s',
  ]);
  assert.deepEqual(facts(proc('0', 'EXITED', { since: 100, text: 'SIGKILL' }), 110), [
    'EXITED',
    '10 s ago',
    'SIGKILL',
  ]);
  assert.deepEqual(facts(proc('0', 'STOPPED'), 110), ['STOPPED']);
});

test('what has failed is told from what has ended well', () => {
  assert.ok(ailing(proc('0', 'FATAL')));
  assert.ok(ailing(proc('0', 'BACKOFF')));
  assert.ok(ailing(proc('0', 'EXITED', { text: 'exit status 1' })));
  assert.ok(!ailing(proc('0', 'EXITED', { text: 'exit status 0' })));
  assert.ok(!ailing(proc('0', 'EXITED')));
  assert.ok(!ailing(proc('0', 'STOPPED')));
});

test('a group is summed up by its worst news', () => {
  const group = (...states) => states.map((state, i) => proc(String(i), state));
  assert.equal(summary(group('RUNNING', 'RUNNING')), '2 running');
  assert.equal(summary(group('STOPPED', 'STOPPED')), '2 stopped');
  assert.equal(
    summary(group('RUNNING', 'FATAL', 'STARTING')),
    '1 of 3 running, 1 starting, 1 fatal',
  );
  assert.equal(summary(group('EXITED', 'FATAL')), '0 of 2 running, 1 exited, 1 fatal');
  assert.deepEqual(counts(group('RUNNING', 'FATAL', 'RUNNING')), { RUNNING: 2, FATAL: 1 });
});

test('the filter wants one of its states and every word, in any order and case', () => {
  const is = (states, search, process = proc('07')) =>
    passes(process, { states: new Set(states), search });
  assert.ok(is([], ''));
  assert.ok(is(['FATAL', 'RUNNING'], ''));
  assert.ok(!is(['FATAL'], ''));
  assert.ok(is([], ' 07 WEB '));
  assert.ok(is([], 'web:07'));
  assert.ok(!is([], 'web 08'));
  assert.ok(is([], '*', proc('a*')));
  assert.ok(!is([], '*'));
});

test('each reason is told once, with all whom it holds for', () => {
  const down = [
    proc('0', 'FATAL', { text: 'no such file' }),
    proc('1'),
    proc('2', 'FATAL', { text: 'no such file' }),
    proc('3', 'EXITED', { text: 'exit status 0' }),
    proc('4', 'EXITED', { text: 'SIGSEGV' }),
  ];
  assert.deepEqual(
    reasons(down).map(({ state, text, names }) => [state, text, names]),
    [
      ['FATAL', 'no such file', ['0', '2']],
      ['EXITED', 'SIGSEGV', ['4']],
    ],
  );
});

test('a long list is cut, but never for the sake of one', () => {
  assert.equal(listed(['a', 'b', 'c'], 2), 'a, b, c');
  assert.equal(listed(['a', 'b', 'c', 'd'], 2), 'a, b and 2 more');
});

test('of a log remains what can be read', () => {
  assert.equal(logText('\x1b[1;31mred\x1b[0m\r\n\x1b]0;title\x07end'), 'red\nend');
  assert.equal(logText('</pre><script>'), '</pre><script>');
  assert.equal(logText('a\x00b\x07\tc\u202ed\x85'), 'a␀b␇\tc\ufffdd\ufffd');
});
