/** The panel of one process: how it is, why it is down, what can be done, its logs. */

import { restartProcess, startProcess, stopProcess } from './actions.js';
import { announce, h, mark, openDialog, say } from './dom.js';
import { live } from './live.js';
import { mountLog } from './log.js';
import { about, namespec, plain, when } from './model.js';

/** @typedef {import('./live.js').Proc} Proc */

const SECOND_MS = 1000;

/**
 * Open the panel; it follows the process until it is closed.
 * @param {Proc} process
 */
export function openProcess(process) {
  let proc = process;
  const state = h('span', { class: 'badge' });
  const facts = h('span', { class: 'facts' });
  const reason = h('p', { class: 'reason', role: 'status' });
  const button = (action, text, does) =>
    h('button', {
      type: 'button',
      text,
      dataset: { action },
      on: { click: (event) => enabled(event) && does(proc) },
    });
  // The plan takes the place of the panel: what it starts is shown on the page behind.
  const restart = button('restart', 'Restart…', () => {
    close();
    restartProcess(proc);
  });
  const start = button('start', 'Start', startProcess);
  const stop = button('stop', 'Stop…', stopProcess);
  const log = h('div', { class: 'logs' });
  const { close, dialog } = openDialog(
    namespec(proc),
    [
      h(
        'div',
        { class: 'process-head' },
        h('p', { class: 'state-line' }, state, facts),
        h('div', { class: 'buttons' }, restart, start, stop),
      ),
      reason,
      log,
    ],
    { id: 'process', wide: true, onclose: ended },
  );
  dialog.dataset.process = proc.namespec;
  const { stop: stopLog } = mountLog(log, proc);
  const ticking = setInterval(count, SECOND_MS);
  live.addEventListener('change', changed);
  show();

  function changed({ detail: { full, processes } }) {
    if (!full && !processes.includes(proc.index)) return;
    const found = live.state.processes.find(({ namespec }) => namespec === proc.namespec);
    const before = proc.state;
    proc = found ?? {
      ...proc,
      state: 'UNKNOWN',
      pid: 0,
      since: 0,
      text: 'It is no longer in the configuration.',
    };
    if (proc.state !== before) announce(`${namespec(proc)} ${proc.state}`);
    show();
  }

  function show() {
    say(state, proc.state);
    mark(state, 'data-state', proc.state);
    say(reason, plain(proc.text));
    reason.classList.toggle('bad', about(proc.state).bad);
    const up = about(proc.state).up || proc.state === 'BACKOFF';
    mark(start, 'aria-disabled', String(up));
    mark(stop, 'aria-disabled', String(!up));
    count();
  }

  function count() {
    const seconds = live.serverNow() / 1000 - proc.since;
    const said = [];
    if (proc.pid) said.push(`pid ${proc.pid}`);
    if (proc.since) said.push(when(proc.state, seconds));
    say(facts, said.join(' · '));
    mark(
      facts,
      'title',
      proc.since ? `since ${new Date(proc.since * 1000).toLocaleString()}` : null,
    );
  }

  function ended() {
    clearInterval(ticking);
    live.removeEventListener('change', changed);
    stopLog();
  }
}

const enabled = ({ currentTarget }) => currentTarget.getAttribute('aria-disabled') !== 'true';
