/** What is shown of an operation while it is open: its picture, its numbers, reasons, buttons. */

import { Chart } from './chart.js';
import { ask, h, keyed, toast } from './dom.js';
import { inWords } from './http.js';
import { namespec, plain } from './model.js';
import { call } from './rpc.js';
import { Table } from './table.js';
import { elapsed, isGone, outage, span } from './timeline.js';
import {
  atOnce,
  capital,
  ended,
  isApply,
  isCommitted,
  isRollingBack,
  leftovers,
  named,
  notReached,
  oldStopping,
  optionLine,
  policyLines,
  processes,
  stateWord,
  title,
  waitingFor,
  wentWrong,
} from './wording.js';

const ENDS = { rolled_back: 'Rolled back', failed: 'Rolling back failed' };

/** What is below the line while the operation is open. */
export class Details {
  #live;
  #restart = null;
  #detail = null;
  #chart;
  #table;
  #headline = h('p', { class: 'op-headline' });
  #figures = h('dl', { class: 'op-figures' });
  #lists = h('div', { class: 'op-lists' });
  #settings = h(
    'details',
    { class: 'op-settings' },
    h('summary', { text: 'Options' }),
    h('ul', {}),
  );
  #cancel;
  #retry;
  #acts;

  constructor(live, acts) {
    this.#live = live;
    this.#acts = acts;
    this.#chart = new Chart((process) => acts.openProcess(process));
    this.#table = new Table();
    const act = (action, text, click) =>
      h('button', { type: 'button', dataset: { action }, text, on: { click } });
    this.#cancel = act('cancel', 'Cancel…', () => this.#askToCancel());
    this.#retry = act('retry', '', () => this.#retryIt());
    this.#retry.title = 'Restart what failed or was not reached';
    this.element = h(
      'div',
      { class: 'op-details' },
      h(
        'div',
        { class: 'op-top' },
        this.#headline,
        h('div', { class: 'op-actions' }, this.#cancel, this.#retry, this.#table.button),
      ),
      this.#chart.element,
      this.#table.element,
      this.#figures,
      this.#lists,
      this.#settings,
    );
  }

  update(restart, detail) {
    this.#restart = restart;
    this.#detail = detail;
    const all = detail?.processes ?? [];
    this.#chart.element.hidden = !all.length || !restart.started_at;
    this.#table.button.hidden = !all.length;
    if (detail && restart.started_at) {
      this.#chart.update({
        restart,
        processes: all,
        ready: detail.ready,
        moving: !restart.finished_at,
        now: () => elapsed(restart, this.#live.serverNow()),
      });
    }
    this.#table.update(all);
    const wrong = all.filter((p) => wentWrong(p) || notReached(p));
    const focused = document.activeElement === this.#cancel;
    this.#cancel.hidden = ended(restart) || isRollingBack(restart) || isCommitted(restart, all);
    if (focused && this.#cancel.hidden) this.#table.button.focus(); // else it is nowhere
    this.#retry.textContent = `Retry ${processes(wrong.length)}`;
    this.#retry.hidden = isApply(restart) || !restart.finished_at || !wrong.length;
    this.#showLists(restart, all);
    this.#showSettings(restart);
    this.tick();
  }

  tick() {
    if (!this.#restart) return;
    const now = elapsed(this.#restart, this.#live.serverNow());
    const all = this.#detail?.processes ?? [];
    const text = headline(this.#restart, all, now, Boolean(this.#detail));
    if (this.#headline.textContent !== text) this.#headline.textContent = text;
    this.#headline.hidden = !text && Boolean(this.#restart.finished_at);
    this.#showFigures(this.#restart, all, now);
  }

  close() {
    this.#chart.close();
  }

  #showFigures(restart, all, now) {
    const { down, away } = outage(all, now);
    const staying = all.filter((process) => process.action !== 'remove' && !isGone(process));
    const before = staying.filter((process) => process.old_pid);
    const [wanted, up] = isApply(restart)
      ? [staying.length, before.length]
      : [restart.total, restart.total];
    const ready = [
      ['ready now', `${restart.ready} of ${wanted}`],
      ['lowest ready', `${restart.lowest_ready} of ${up}`],
      ['allowed', `at least ${restart.allowed}`],
      ['down, all together', span(down)],
      ['not ready, all together', span(away)],
    ];
    const figures = restart.started_at ? [['duration', span(now)], ...(wanted ? ready : [])] : [];
    keyed(
      this.#figures,
      figures,
      ([name]) => name,
      ([name]) => h('div', {}, h('dt', { text: name }), h('dd', {})),
      (node, [, value]) => {
        if (node.lastChild.textContent !== value) node.lastChild.textContent = value;
      },
    );
  }

  #showLists(restart, all) {
    const lists = [];
    const failed = all.filter(wentWrong);
    const add = (kind, heading, lines) => lines.length && lists.push({ kind, heading, lines });
    add(
      'failures',
      `Failed: ${processes(failed.length)}`,
      failed.map((p) => ({
        name: namespec(p),
        text: [p.error, p.note].filter(Boolean).join('; ') || 'no reason given',
        process: p,
      })),
    );
    add('at-once', 'Changed at once, without a stop', atOnce(restart).map(line));
    add('left', 'Left alone', leftovers(all).map(line));
    add(
      'killed',
      'Ended by SIGKILL',
      all
        .filter((p) => p.killed && !wentWrong(p))
        .map((p) => ({ name: namespec(p), text: p.note })),
    );
    add(
      'warnings',
      'Warnings',
      (restart.warnings ?? []).map((text) => ({ name: '', text })),
    );
    keyed(
      this.#lists,
      lists,
      ({ kind }) => kind,
      ({ kind }) => h('section', { class: `op-list ${kind}` }, h('h3', {}), h('ul', {})),
      (node, { heading, lines }) => {
        node.firstChild.textContent = heading;
        keyed(
          node.lastChild,
          lines,
          ({ name, text }) => `${name}\n${text}`,
          (one) => this.#line(one),
          () => {},
        );
      },
    );
  }

  #line({ name, text, process }) {
    const open = process && {
      type: 'button',
      class: 'link',
      dataset: { action: 'log' },
      text: 'log',
      'aria-label': `log of ${name}`,
      on: { click: () => this.#acts.openProcess(process) },
    };
    return h(
      'li',
      {},
      name ? h('strong', { text: name }) : null,
      h('span', { text: plain(text) }),
      open ? h('button', open) : null,
    );
  }

  #showSettings(restart) {
    const lines = [...policyLines(restart), optionLine(restart)].filter(Boolean);
    this.#settings.hidden = !lines.length;
    keyed(
      this.#settings.lastChild,
      lines,
      (text) => text,
      (text) => h('li', { text }),
      () => {},
    );
  }

  async #askToCancel() {
    const restart = this.#restart;
    const back = isApply(restart) && restart.options?.rollback;
    const follows = back
      ? 'The old configuration goes back, and what runs with the new one restarts.'
      : 'Nothing further is taken down; what is down comes back.';
    const sure = await ask(
      `Cancel ${title(restart)} of ${named(restart.groups.map(whole))}?`,
      follows,
      isApply(restart) ? 'Cancel the apply' : 'Cancel the restart',
      'Let it run',
    );
    if (sure) await this.#do('cancelRestart');
  }

  async #retryIt() {
    const id = await this.#do('retryRestart');
    if (id) this.#acts.open(id);
  }

  async #do(method) {
    try {
      return await call(method, this.#restart.id);
    } catch (error) {
      toast(inWords(error), 'error');
      return null;
    }
  }
}

const whole = (group) => ({ group, name: group });
const line = ({ text, some }) => ({ name: named(some), text });

/** What is to be said before all numbers: why it goes back, or what it waits for. */
function headline(restart, all, now, known) {
  if (!known) return 'Asking…';
  if (restart.state === 'queued') return 'Queued: it begins when the operation before it is over.';
  if (isRollingBack(restart)) return `Rolling back: ${plain(restart.why)}`;
  const what = waitingFor(all, now, restart.options);
  const old = oldStopping(restart);
  if (!ended(restart)) {
    return capital([what && `waiting for ${what}`, old].filter(Boolean).join('; '));
  }
  const why = restart.why ? plain(restart.why) : stateWord(restart);
  if (!restart.finished_at) return `${capital(why)}; ${old || 'what is down still comes back'}`;
  if (restart.state === 'cancelled') return capital(why);
  if (restart.why) return `${ENDS[restart.state] ?? capital(restart.state)}: ${why}`;
  if (!all.length && !restart.at_once?.length) return 'There was nothing to do.';
  return restart.state === 'timed_out' ? `Timed out after ${span(now)}` : '';
}
