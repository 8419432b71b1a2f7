/** What an answer of `restarter/state` makes of what is known. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FOREIGN, json, SILENT, Trouble } from '../../../supervisor_restarter/web/page/http.js';
import { merge, NOTHING, question } from '../../../supervisor_restarter/web/page/live.js';

const WHOLE = {
  epoch: 'a',
  version: 5,
  full: true,
  now: 1000,
  about: { name: 'supervisor' },
  groups: [
    { name: 'web', processes: ['0', '1'] },
    { name: 'api', processes: ['api'] },
  ],
  processes: [
    [0, 'RUNNING', 10, 900, '', 1],
    [1, 'RUNNING', 11, 900, '', 1],
    [2, 'FATAL', 0, 950, 'no such file', 0],
  ],
  restarts: [{ id: '1', state: 'succeeded' }],
  order: ['1'],
};
const start = () => merge(NOTHING, WHOLE).state;
const later = (more) => ({
  epoch: 'a',
  version: 6,
  full: false,
  now: 1001,
  processes: [],
  restarts: [],
  ...more,
});

test('the first answer is everything', () => {
  const { state, changes } = merge(NOTHING, WHOLE);
  assert.ok(changes.full && changes.connection && changes.restarts);
  assert.deepEqual(
    state.groups.map(({ name, processes }) => [name, processes.length]),
    [
      ['api', 1],
      ['web', 2],
    ],
  );
  const { group, name, namespec, text } = state.processes[2];
  assert.deepEqual([group, name, namespec, text], ['api', 'api', 'api:api', 'no such file']);
  assert.equal(state.groups[1].processes[1], state.processes[1]);
  assert.equal(state.connected, true);
});

test('a changed row changes its process and its group, and nothing else', () => {
  const before = start();
  const { state, changes } = merge(before, later({ processes: [[1, 'STOPPING', 11, 900, '', 1]] }));
  assert.deepEqual(changes, {
    full: false,
    processes: [1],
    restarts: false,
    detail: false,
    connection: false,
  });
  assert.equal(state.processes[1].state, 'STOPPING');
  assert.equal(state.groups[1].processes[1], state.processes[1]);
  assert.equal(state.processes[0], before.processes[0]);
  assert.equal(state.groups[0], before.groups[0]);
  assert.equal(before.processes[1].state, 'RUNNING');
});

test('groups and processes are in the order of their numbers, and indices are the server’s', () => {
  const groups = [
    { name: 'web10', processes: ['10', '2', '1'] },
    { name: 'web9', processes: ['x'] },
  ];
  const processes = [1, 2, 3, 4].map((pid, index) => [index, 'RUNNING', pid, 900, '', 1]);
  const names = ({ state }) =>
    state.groups.map(({ name, processes }) => [name, ...processes.map(({ name }) => name)]);
  const first = merge(NOTHING, { ...WHOLE, groups, processes });
  const expected = [
    ['web9', 'x'],
    ['web10', '1', '2', '10'],
  ];
  assert.deepEqual(names(first), expected);
  const next = merge(first.state, later({ processes: [[0, 'FATAL', 0, 900, '', 1]] }));
  assert.deepEqual(names(next), expected);
  assert.equal(next.state.processes[0].namespec, 'web10:10');
  assert.equal(next.state.groups[1].processes[2].state, 'FATAL');
});

test('nothing new leaves everything the same', () => {
  const before = start();
  const { state } = merge(before, later({ version: 5 }));
  assert.equal(state.processes, before.processes);
  assert.equal(state.groups, before.groups);
  assert.equal(state.restarts, before.restarts);
});

test('other groups come with everything, and replace it', () => {
  const { state, changes } = merge(start(), {
    ...WHOLE,
    version: 7,
    groups: [
      { name: 'api', processes: ['api'] },
      { name: 'empty', processes: [] },
    ],
    processes: [[0, 'RUNNING', 20, 990, '', 0]],
    restarts: [],
    order: [],
  });
  assert.ok(changes.full);
  assert.deepEqual(
    state.processes.map(({ namespec }) => namespec),
    ['api:api'],
  );
  assert.deepEqual(
    state.groups.map(({ name }) => name),
    ['api', 'empty'],
  );
  assert.deepEqual(state.restarts, []);
});

test('restarts: a changed one in its place, a new one in front, a forgotten one gone', () => {
  const changed = merge(start(), later({ restarts: [{ id: '1', state: 'failed' }] })).state;
  assert.deepEqual(
    changed.restarts.map(({ state }) => state),
    ['failed'],
  );
  const more = merge(
    changed,
    later({ restarts: [{ id: '2', state: 'running' }], order: ['2', '1'] }),
  ).state;
  assert.deepEqual(
    more.restarts.map(({ id }) => id),
    ['2', '1'],
  );
  assert.equal(more.restarts[1], changed.restarts[0]);
  const fewer = merge(more, later({ order: ['2'] })).state;
  assert.deepEqual(
    fewer.restarts.map(({ id }) => id),
    ['2'],
  );
});

const detail = (more) => ({
  id: '7',
  version: 1,
  restart: { id: '7' },
  processes: [],
  ready: [],
  ...more,
});

test('of a restart that is watched, what is new is added to what is known', () => {
  const first = detail({
    processes: [
      [0, { phase: 'waiting' }],
      [1, { phase: 'waiting' }],
    ],
    ready: [[0, 2]],
  });
  const one = merge(start(), later({ detail: first })).state;
  const second = detail({ version: 2, processes: [[1, { phase: 'stopping' }]], ready: [[1.5, 1]] });
  const { state, changes } = merge(one, later({ detail: second }));
  assert.ok(changes.detail);
  assert.deepEqual(
    state.detail.processes.map(({ phase }) => phase),
    ['waiting', 'stopping'],
  );
  assert.deepEqual(state.detail.ready, [
    [0, 2],
    [1.5, 1],
  ]);
  assert.equal(state.detail.version, 2);
  assert.deepEqual(
    one.detail.processes.map(({ phase }) => phase),
    ['waiting', 'waiting'],
  );
});

test('an answer that says nothing of the watched restart leaves it', () => {
  const one = merge(start(), later({ detail: detail() })).state;
  const { state, changes } = merge(one, later({}));
  assert.equal(state.detail, one.detail);
  assert.equal(changes.detail, false);
});

test('after a reload, what is known of the old restarts is no start for the new ones', () => {
  const one = merge(
    start(),
    later({ detail: detail({ version: 9, processes: [[0, { phase: 'ready' }]] }) }),
  ).state;
  const reloaded = { ...WHOLE, epoch: 'b', detail: detail({ version: 12 }) };
  const { state, changes } = merge(one, reloaded);
  assert.equal(state.detail, null);
  assert.ok(changes.detail && changes.full);
  assert.equal(question(state, '7').get('restart'), '7:0');
});

test('a question names what is known', () => {
  assert.equal(question(NOTHING, null).toString(), 'wait=25');
  assert.equal(question(start(), null).get('since'), 'a:5');
  const watching = merge(start(), later({ detail: detail({ version: 3 }) })).state;
  assert.equal(question(watching, '7').get('restart'), '7:3');
  assert.equal(question(watching, '8').get('restart'), '8:0');
});

test('one that is gone is not asked for again', () => {
  const { state } = merge(start(), later({ detail: { id: '7', gone: true } }));
  assert.ok(state.detail.gone);
  assert.equal(question(state, '7').get('restart'), null);
});

test('an answer is JSON, or trouble says in a line what it is instead', async (context) => {
  globalThis.location = { href: 'http://user:secret@localhost:9001/restarter/' };
  context.after(() => delete globalThis.location);
  const fetched = context.mock.method(globalThis, 'fetch');
  const answered = (body, status, type) => {
    const headers = { 'Content-Type': type };
    const answer = new Response(body, { status, statusText: 'Word', headers });
    fetched.mock.mockImplementationOnce(async () => answer, fetched.mock.callCount());
    return json('state?wait=1');
  };
  const trouble = (text) => (error) => error instanceof Trouble && error.message === text;
  assert.deepEqual(await answered('{"a":1}', 200, 'application/json'), { a: 1 });
  assert.equal(fetched.mock.calls[0].arguments[0], 'http://localhost:9001/restarter/state?wait=1');
  const away = 'supervisord is shutting down';
  await assert.rejects(answered(`${away}\n`, 503, 'text/plain; charset=utf-8'), trouble(away));
  const proxy = trouble('the server answered 502 Word');
  await assert.rejects(answered('<html>\n<p>Bad gateway', 502, 'text/html'), proxy);
  await assert.rejects(answered('<html>Log in', 200, 'text/html'), trouble(FOREIGN));
  await assert.rejects(answered('{"a":', 200, 'application/json'), trouble(SILENT));
  fetched.mock.mockImplementation(() => Promise.reject(new TypeError('Failed to fetch')));
  await assert.rejects(json('state'), trouble(SILENT));
});
