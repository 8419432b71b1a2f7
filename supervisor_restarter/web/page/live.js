/**
 * What supervisord looks like now, kept up to date by the long-poll of `restarter/state`.
 *
 * One question is under way at a time. The server answers when something has changed; the next
 * question names what is known already, and gets only what is newer. merge() is pure.
 */

import { inWords, json, SILENT, Trouble } from './http.js';

/**
 * @typedef {{index: number, group: string, name: string, namespec: string, state: string,
 *   pid: number, since: number, text: string, logs: number}} Proc
 *   since: seconds since the epoch, by the clock of the server; logs: 1 stdout, 2 stderr, 3 both
 * @typedef {{name: string, processes: Proc[]}} Group
 * @typedef {{id: string, version: number, restart: any, processes: any[], ready: number[][],
 *   gone: boolean}} Detail
 * @typedef {{epoch: string, version: number, about: any, groups: Group[], processes: Proc[],
 *   inOrder: number[], restarts: any[], detail: Detail | null, connected: boolean,
 *   error: string}} State  processes: by index; inOrder: indices as they are shown
 * @typedef {{full: boolean, processes: number[], restarts: boolean, detail: boolean,
 *   connection: boolean}} Changes  processes: indices
 */

const WAIT_SECONDS = 25; // the server's most
const PAUSE_MS = 150; // between answer and question: a storm of changes becomes a few answers
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 4000;
const ANEW = new Error('asked anew'); // why a question is given up that another follows
const GIVE_UP_MS = (WAIT_SECONDS + 10) * 1000;

/** @type {State} */
export const NOTHING = {
  epoch: '',
  version: 0,
  about: null,
  groups: [],
  processes: [],
  inOrder: [],
  restarts: [],
  detail: null,
  connected: false,
  error: '',
};

/**
 * The state after an answer, and what is different. Objects of what has not changed stay the same.
 * @param {State} state
 * @param {any} answer of `restarter/state`
 * @returns {{state: State, changes: Changes}}
 */
export function merge(state, answer) {
  const afresh = answer.full || answer.epoch !== state.epoch;
  const known = answer.epoch === state.epoch ? state.detail : null;
  const next = {
    ...state,
    epoch: answer.epoch,
    version: answer.version,
    connected: true,
    error: '',
  };
  const changes = {
    full: afresh,
    processes: [],
    restarts: false,
    detail: false,
    connection: !state.connected,
  };
  if (answer.full) {
    next.about = answer.about;
    Object.assign(next, named(answer.groups));
  }
  next.processes = rows(next.processes, answer.processes ?? [], changes);
  if (afresh || changes.processes.length) next.groups = regrouped(next);
  next.restarts = headers(afresh ? [] : state.restarts, answer);
  changes.restarts = afresh || Boolean(answer.restarts?.length || answer.order);
  // What a supervisord from before a reload was asked for is no answer of this one.
  const stale = state.detail !== null && known === null;
  next.detail = answer.detail && !stale ? detailed(known, answer.detail) : known;
  changes.detail = next.detail !== state.detail;
  return { state: next, changes };
}

/** Groups and processes before anything but their names is known: 2 comes before 10. */
function named(groups) {
  const names = groups.map(({ name }) => name).sort(naturally);
  const places = new Map(names.map((name, place) => [name, place]));
  const processes = groups.flatMap((group) =>
    group.processes.map((name) => ({ place: places.get(group.name), group: group.name, name })),
  );
  const inOrder = [...processes.keys()].sort((a, b) =>
    naturally(processes[a].name, processes[b].name),
  );
  return { groups: names.map((name) => ({ name, processes: [] })), processes, inOrder };
}

const naturally = new Intl.Collator('en', { numeric: true }).compare;

function rows(processes, changed, changes) {
  if (!changed.length) return processes;
  const next = [...processes];
  for (const [index, state, pid, since, text, logs] of changed) {
    const old = next[index];
    if (!old) continue; // cannot be: rows of other groups come with everything
    const { place, group, name } = old;
    const namespec = `${group}:${name}`;
    next[index] = { index, place, group, name, namespec, state, pid, since, text, logs };
    changes.processes.push(index);
  }
  return next;
}

function regrouped({ groups, processes, inOrder }) {
  const next = groups.map(({ name }) => ({ name, processes: [] }));
  for (const index of inOrder) next[processes[index].place].processes.push(processes[index]);
  // A group of which nothing has changed stays the same object.
  return next.map((group, place) => {
    const old = groups[place].processes;
    const same =
      old.length === group.processes.length && old.every((one, i) => one === group.processes[i]);
    return same && old.length ? groups[place] : group;
  });
}

function headers(restarts, { restarts: changed = [], order }) {
  if (!changed.length && !order) return restarts;
  const byId = new Map(restarts.map((restart) => [restart.id, restart]));
  for (const restart of changed) byId.set(restart.id, restart);
  const ids = order ?? restarts.map(({ id }) => id);
  return ids.filter((id) => byId.has(id)).map((id) => byId.get(id));
}

function detailed(known, { id, version, restart, processes, ready, gone }) {
  if (gone) return { id, version: 0, restart: null, processes: [], ready: [], gone: true };
  const same = known?.id === id && !known.gone ? known : null;
  const next = same ? [...same.processes] : [];
  for (const [index, process] of processes) next[index] = process;
  return {
    id,
    version,
    restart,
    processes: next,
    ready: [...(same?.ready ?? []), ...ready],
    gone: false,
  };
}

/**
 * The query of the next question.
 * @param {State} state
 * @param {string | null} wanted ID of the restart of which everything is wanted
 */
export function question(state, wanted) {
  const query = new URLSearchParams();
  if (state.epoch) query.set('since', `${state.epoch}:${state.version}`);
  query.set('wait', String(WAIT_SECONDS));
  const known = state.detail?.id === wanted ? state.detail : null;
  // One that is gone stays so in this epoch: to ask again would be answered at once, for ever.
  if (wanted !== null && !known?.gone) query.set('restart', `${wanted}:${known?.version ?? 0}`);
  return query;
}

/** Fires 'change' (CustomEvent, detail: Changes) whenever `state` has become another one. */
export class Live extends EventTarget {
  state = NOTHING;
  #offset = 0;
  #wanted = null;
  #question = new AbortController();

  /** Ask for ever, except while nobody looks: a hidden tab would take one of six connections. */
  async start() {
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.#question.abort(ANEW);
    });
    let failures = 0;
    for (;;) {
      await shown();
      try {
        this.#take(await this.#ask());
        failures = 0;
        await pause(PAUSE_MS);
      } catch (error) {
        if (error === ANEW) continue;
        this.#lost(inWords(error));
        await pause(Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures++));
      }
    }
  }

  /** Milliseconds since the epoch, by the clock of the server. */
  serverNow() {
    return Date.now() + this.#offset;
  }

  /**
   * Which restart's processes and points are wanted in `state.detail`; null: of none.
   * @param {string | null} id
   */
  watch(id) {
    if (id === this.#wanted) return;
    this.#wanted = id;
    this.#set({ ...this.state, detail: null }, { detail: true });
    this.#question.abort(ANEW);
  }

  async #ask() {
    const query = question(this.state, this.#wanted);
    const asking = new AbortController();
    this.#question = asking;
    const silence = setTimeout(() => asking.abort(new Trouble(SILENT)), GIVE_UP_MS);
    try {
      return await json(`state?${query}`, asking.signal);
    } finally {
      clearTimeout(silence);
    }
  }

  #take(answer) {
    this.#offset = answer.now * 1000 - Date.now();
    const { state, changes } = merge(this.state, answer);
    if (state.detail && state.detail.id !== this.#wanted) state.detail = null;
    this.#set(state, changes);
  }

  #lost(text) {
    if (!this.state.connected && this.state.error === text) return;
    this.#set({ ...this.state, connected: false, error: text }, { connection: true });
  }

  #set(state, changes) {
    this.state = state;
    const none = { full: false, processes: [], restarts: false, detail: false, connection: false };
    this.dispatchEvent(new CustomEvent('change', { detail: { ...none, ...changes } }));
  }
}

function shown() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener('visibilitychange', look);
      resolve();
    };
    document.addEventListener('visibilitychange', look);
  });
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const live = new Live();
