/**
 * What all parts of the page build with: elements, lists that keep their nodes, dialogs, notices.
 *
 * Text reaches the page as text nodes and attributes only: a name or a log line is never markup.
 */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * @typedef {object} Props
 * `class`, `text`, `dataset` and `style` (objects) and `on` (event -> function) are what they say;
 * everything else is an attribute: true sets it, false, null and undefined leave it out.
 */

/**
 * An HTML element.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...any} children nodes, strings, arrays of these; null, undefined and false are left out
 * @returns {any}
 */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function s(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) set(node, name, value);
  const present = children.flat(Infinity).filter((child) => child != null && child !== false);
  if (present.length) node.append(...present);
  return node;
}

function set(node, name, value) {
  if (name === 'text') node.textContent = value;
  else if (name === 'dataset') Object.assign(node.dataset, value);
  else if (name === 'on') {
    for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
  } else if (name === 'style') {
    // By the object model: the policy of the page forbids the attribute.
    for (const [key, one] of Object.entries(value)) node.style.setProperty(key, one);
  } else if (value === true) node.setAttribute(name, '');
  else if (value !== false && value != null) node.setAttribute(name, value);
}

/** Set text only if it is another one, so that an update touches no node that has not changed. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Set an attribute only if it is another one; null removes it. */
export function mark(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** @type {WeakMap<Node, Map<any, any>>} */
const kept = new WeakMap();

/**
 * Make the children of `parent` that this function has made those of `items`, in their order.
 * Nodes of items that stay are kept, with their focus and scroll position; children of another
 * origin stay in front.
 * @template T
 * @param {Element} parent
 * @param {Iterable<T>} items
 * @param {(item: T) => any} key what an item is known by
 * @param {(item: T) => Element} make its node
 * @param {(node: any, item: T) => void} [update] called for new and kept nodes
 */
export function keyed(parent, items, key, make, update) {
  const before = kept.get(parent) ?? new Map();
  const after = new Map();
  for (const item of items) {
    const name = key(item);
    const node = before.get(name) ?? make(item);
    after.set(name, node);
    update?.(node, item);
  }
  for (const [name, node] of before) if (!after.has(name)) node.remove();
  kept.set(parent, after);
  let next = firstKept(parent, before);
  for (const node of after.values()) {
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
  }
}

function firstKept(parent, before) {
  const nodes = new Set(before.values());
  for (const child of parent.childNodes) if (nodes.has(child)) return child;
  return null;
}

/** Tell those who listen to the page; the same text twice is told twice. */
export function announce(text) {
  announcer.textContent = '';
  setTimeout(() => {
    announcer.textContent = text;
  }, 50);
}

const announcer = h('div', { class: 'aside', role: 'status', 'aria-live': 'polite' });
const toasts = h('div', { class: 'toasts', role: 'region', 'aria-label': 'Notices' });
const NOTICE_MS = 6000;
const MOST_NOTICES = 4;

/**
 * A notice at the edge of the page. Errors stay until they are closed.
 * @param {string} text one line
 * @param {'done' | 'error'} [kind]
 */
export function toast(text, kind = 'done') {
  const close = () => node.remove();
  const node = h(
    'div',
    { class: `toast ${kind}`, role: kind === 'error' ? 'alert' : 'status' },
    h('span', { text }),
    h('button', {
      class: 'quiet',
      type: 'button',
      'aria-label': 'Close this notice',
      text: '×',
      on: { click: close },
    }),
  );
  toasts.append(node);
  while (toasts.children.length > MOST_NOTICES) toasts.firstChild.remove();
  if (kind !== 'error') setTimeout(close, NOTICE_MS);
}

/** @type {HTMLDialogElement[]} */
const open = [];

/** What is behind a modal dialog can be neither reached nor heard: notices move into the newest. */
function placeNotices() {
  (open.at(-1) ?? document.body).append(announcer, toasts);
}
placeNotices();

/**
 * A modal dialog; Escape, its button and a click beside it close it, and focus goes back.
 * @param {string} title
 * @param {Node | Node[]} content
 * @param {{onclose?: () => void, id?: string, wide?: boolean, role?: string}} [options]
 * @returns {{close: () => void, dialog: HTMLDialogElement, title: HTMLElement}}
 */
export function openDialog(title, content, { onclose, id, wide = false, role } = {}) {
  const heading = h('h2', { id: `dialog-${++dialogs}`, text: title });
  const shut = h('button', {
    class: 'quiet close',
    type: 'button',
    'aria-label': 'Close',
    text: '×',
  });
  const dialog = h(
    'dialog',
    { id, role, class: wide ? 'wide' : null, 'aria-labelledby': heading.id },
    h(
      'div',
      { class: 'sheet' },
      h('header', {}, heading, shut),
      h('div', { class: 'body' }, content),
    ),
  );
  const close = () => dialog.close();
  shut.addEventListener('click', close);
  dialog.addEventListener('pointerdown', (event) => {
    // The backdrop counts as the dialog; so do its border and its scroll bar.
    if (event.target === dialog && isBeside(dialog.getBoundingClientRect(), event)) close();
  });
  dialog.addEventListener('close', () => {
    open.splice(open.indexOf(dialog), 1);
    placeNotices();
    dialog.remove();
    onclose?.();
  });
  document.body.append(dialog);
  open.push(dialog);
  dialog.showModal();
  placeNotices();
  return { close, dialog, title: heading };
}
let dialogs = 0;

function isBeside({ left, right, top, bottom }, { clientX: x, clientY: y }) {
  return x < left || x > right || y < top || y > bottom;
}

/** Whether a dialog is open: the keys of the page are then its own. */
export const dialogIsOpen = () => open.length > 0;

/**
 * Ask before something is done that hurts. Enter at once answers no.
 * @param {string} title a question: 'Stop web?'
 * @param {string} text what it means
 * @param {string} verb of the button that does it
 * @param {string} [refusal] of the button that does not
 * @returns {Promise<boolean>}
 */
export function ask(title, text, verb, refusal = 'Cancel') {
  return new Promise((resolve) => {
    let answer = false;
    const yes = () => {
      answer = true;
      opened.close();
    };
    const no = h('button', { type: 'button', text: refusal, on: { click: () => opened.close() } });
    const opened = openDialog(
      title,
      [
        h('p', { text }),
        h(
          'div',
          { class: 'actions' },
          no,
          h('button', {
            class: 'danger',
            type: 'button',
            text: verb,
            dataset: { action: 'confirm' },
            on: { click: yes },
          }),
        ),
      ],
      { onclose: () => resolve(answer), role: 'alertdialog' },
    );
    no.focus();
  });
}
