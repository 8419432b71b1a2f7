/** The end of a process's log, as it grows. */

import { h, mark, say } from './dom.js';
import { inWords, json } from './http.js';
import { logText } from './model.js';

/** @typedef {import('./live.js').Proc} Proc */

const CHANNELS = { stdout: 1, stderr: 2 };
const FIRST_BYTES = 32_768;
const ASK_MS = 1000;
const LONGEST = 400_000; // characters kept; what is older is dropped
const MOST = 4 * LONGEST; // while an older part is being read
const LEFT_OUT = '\n[what was written here is left out]\n';
const NEAR_END = 24; // pixels from the end that still count as the end

/**
 * Show the logs that the process has; of two, the first.
 * @param {HTMLElement} root
 * @param {Proc} process
 * @returns {{stop: () => void}}
 */
export function mountLog(root, process) {
  const names = Object.keys(CHANNELS).filter((name) => process.logs & CHANNELS[name]);
  if (!names.length) {
    root.append(
      h('p', { class: 'empty', text: 'This process has no log that supervisord keeps.' }),
    );
    return { stop() {} };
  }
  let reader = null;
  const text = h('pre', { class: 'log', tabindex: '0', role: 'region' });
  const state = h('p', { class: 'log-state', role: 'status' });
  const follow = toggle('Follow', true, (on) => on && toEnd());
  const wrap = toggle('Wrap', true, (on) => text.classList.toggle('unwrapped', !on));
  const tabs = names.map((name) =>
    h('button', {
      type: 'button',
      text: name,
      'aria-pressed': 'false',
      dataset: { action: 'log', channel: name },
      on: { click: () => show(name) },
    }),
  );
  root.append(
    h(
      'div',
      { class: 'log-bar' },
      h('div', { class: 'tabs', role: 'group', 'aria-label': 'Which log' }, tabs),
      state,
      follow,
      wrap,
    ),
    text,
  );
  text.addEventListener('scroll', () => follow.set(atEnd()));
  show(names[0]);

  function show(name) {
    reader?.stop();
    for (const tab of tabs) mark(tab, 'aria-pressed', String(tab.dataset.channel === name));
    mark(text, 'aria-label', `${name} of the process`);
    text.replaceChildren();
    say(state, '');
    reader = read(process, name, add, (error) => say(state, error));
  }

  /** gap: more has been written than is read at once, or the file was begun anew. */
  function add(more, gap) {
    const end = follow.on();
    if (gap && end) text.replaceChildren();
    else if (gap) text.append(LEFT_OUT);
    if (more) text.append(logText(more));
    let length = text.textContent.length;
    // What is being read is not to move, within reason.
    const most = end ? LONGEST : MOST;
    while (length > most && text.childNodes.length > 1) {
      length -= text.firstChild.length;
      text.firstChild.remove();
    }
    if (end) toEnd();
  }

  const atEnd = () => text.scrollHeight - text.scrollTop - text.clientHeight < NEAR_END;
  function toEnd() {
    text.scrollTop = text.scrollHeight;
  }

  return { stop: () => reader.stop() };
}

function toggle(label, pressed, does) {
  const node = h('button', {
    type: 'button',
    class: 'quiet',
    text: label,
    'aria-pressed': String(pressed),
  });
  node.on = () => node.getAttribute('aria-pressed') === 'true';
  node.set = (on) => mark(node, 'aria-pressed', String(on));
  node.addEventListener('click', () => {
    node.set(!node.on());
    does(node.on());
  });
  return node;
}

/** Ask once a second, one question at a time, and not while nobody looks. */
function read(process, channel, add, fail) {
  const asking = new AbortController();
  let offset = -1;
  let timer = 0;
  async function next() {
    if (!document.hidden) {
      try {
        const answer = await ask(process, channel, offset, asking.signal);
        if (answer.overflow || answer.text) add(answer.text, answer.overflow);
        offset = answer.offset;
        fail('');
      } catch (error) {
        if (asking.signal.aborted) return;
        fail(inWords(error));
      }
    }
    timer = setTimeout(next, ASK_MS);
  }
  next();
  return {
    stop() {
      asking.abort();
      clearTimeout(timer);
    },
  };
}

function ask(process, channel, offset, signal) {
  const query = new URLSearchParams({
    process: process.namespec,
    channel,
    offset: String(offset),
    length: String(FIRST_BYTES),
  });
  return json(`log?${query}`, signal);
}
