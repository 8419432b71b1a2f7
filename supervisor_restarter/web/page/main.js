/** Joins the parts of the page, and shows what belongs to none of them: name, host, connection. */

import { mountConfig } from './config.js';
import { announce, dialogIsOpen, mark, say, toast } from './dom.js';
import { mountGroups } from './groups.js';
import { live } from './live.js';
import { ailing, plain } from './model.js';
import { mountOperations } from './operations.js';
import { setNamespace } from './rpc.js';

const find = (id) => document.getElementById(id);

live.addEventListener('change', (event) => {
  const { full, processes, connection } = event.detail;
  if (full) identify(live.state.about);
  if (full || connection) connected(live.state);
  if (full || processes.length) entitle(live.state);
});

function identify({ name, supervisor, restarter, namespace, pid }) {
  setNamespace(namespace);
  say(find('name'), plain(name));
  say(find('host'), location.host);
  say(find('about'), `Supervisor ${supervisor} (pid ${pid}), supervisor-restarter ${restarter}`);
}

function connected({ connected: is, error, about }) {
  const away = about && about.state !== 'RUNNING' ? about.state.toLowerCase() : 'live';
  const text = is ? away : error || 'connecting';
  const node = find('connection');
  if (node.dataset.connected === 'false' && is && lost) announce('Connected again');
  if (node.dataset.connected === 'true' && !is) announce(`Connection lost: ${text}`);
  lost ||= !is;
  mark(node, 'data-connected', String(is));
  mark(node, 'title', is ? 'Changes are shown as they happen' : 'What is shown is how it was');
  say(node, text);
  document.body.classList.toggle('stale', !is);
}
let lost = false;

/** The tab's title tells of what has failed, also while another tab is in front. */
function entitle({ about, processes }) {
  const failed = processes.filter(ailing).length;
  document.title = `${failed ? `(${failed}!) ` : ''}${plain(about.name)} · ${location.host}`;
}

document.addEventListener('keydown', (event) => {
  const typing = /** @type {any} */ (event.target).closest?.('input, textarea, select');
  if (event.key !== '/' || typing || dialogIsOpen()) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  find('search').select();
  find('search').focus();
});

/** A defect of the page is not to look as if nothing had happened; the console tells where it is. */
function confess(error) {
  if (!(error instanceof Error) || confessed.has(error.message)) return; // a browser's own warning
  confessed.add(error.message);
  toast(`This page has a defect: ${error.message}`, 'error');
}
const confessed = new Set();
addEventListener('error', (event) => confess(event.error));
addEventListener('unhandledrejection', (event) => confess(event.reason));

mountGroups(find('groups'), live);
mountOperations(find('main'), live);
mountConfig(find('config'), live);
live.start();
