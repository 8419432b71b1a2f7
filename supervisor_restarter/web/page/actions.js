/** What the buttons of groups and processes do. Whatever goes wrong is told in one line. */

import { announce, ask, toast } from './dom.js';
import { inWords } from './http.js';
import { groupName, namespec, plain, processName } from './model.js';
import { openPlan } from './plan.js';
import { call } from './rpc.js';

/** @typedef {import('./live.js').Proc} Proc */

const SUCCESS = 80; // Supervisor's own code in the arrays of group calls

/** @param {string} group */
export const restartGroup = (group) => openPlan([groupName(group)], `Restart ${plain(group)}`);

/** @param {Proc} process */
export const restartProcess = (process) =>
  openPlan([processName(process)], `Restart ${namespec(process)}`);

/** @param {string} group */
export function startGroup(group) {
  return act(`Starting ${plain(group)}`, () => call('quickStart', [groupName(group)], false));
}

/** @param {string} group @param {number} up how many of its processes run */
export async function stopGroup(group, up) {
  const many = up === 1 ? 'Its process ends' : `Its ${up} processes end`;
  if (
    !(await ask(`Stop ${plain(group)}?`, `${many} and stay down until they are started.`, 'Stop'))
  )
    return;
  await act(`Stopping ${plain(group)}`, () => call('quickStop', [groupName(group)], false));
}

/** @param {Proc} process */
export function startProcess(process) {
  // Supervisor takes `group:*` for the group, whatever it holds.
  const start = () =>
    process.name === '*'
      ? call('quickStart', [processName(process)], false)
      : call('supervisor.startProcess', process.namespec, false);
  return act(`Starting ${namespec(process)}`, start);
}

/** @param {Proc} process */
export async function stopProcess(process) {
  const text = 'It ends and stays down until it is started.';
  if (!(await ask(`Stop ${namespec(process)}?`, text, 'Stop'))) return;
  const stop = () =>
    process.name === '*'
      ? call('quickStop', [processName(process)], false)
      : call('supervisor.stopProcess', process.namespec, false);
  await act(`Stopping ${namespec(process)}`, stop);
}

async function act(what, does) {
  announce(what);
  try {
    const failed = failures(await does());
    if (failed) toast(`${what}: ${failed}`, 'error');
  } catch (error) {
    toast(`${what}: ${inWords(error)}`, 'error');
  }
}

/** What an array of a group call says went wrong: the first in full, the others counted. */
function failures(results) {
  if (!Array.isArray(results)) return '';
  const failed = results.filter(({ status }) => status !== SUCCESS);
  if (!failed.length) return '';
  const [first] = failed;
  const others = failed.length > 1 ? `, and ${failed.length - 1} more` : '';
  return `${namespec(first)}: ${first.description}${others}`;
}
