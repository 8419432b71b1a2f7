/**
 * What the picture shows of a process whose new one starts beside the old one (max_surge), as spans
 * [kind, seconds] one after the other. Pure. `gone`: nothing is to be seen.
 *
 * ready_seconds lasts until the old one is told to stop: its drain comes at the end of it.
 */

const GONE = ['gone', Infinity];
const SERVES = [['serving', Infinity]];

/** Whether the new process has started beside the old one. If it is down, the old one had died. */
export function isBeside(process) {
  const { action, phase, old_pid: old, new_pid: fresh, down_seconds: down } = process;
  return action === 'surge' && phase !== 'waiting' && Boolean(old && fresh && !down);
}

/** What the two were together: as one of them always serves, there is no gap. */
export function together(process) {
  const { waited_seconds: waited, ready_seconds: took } = process;
  if (!took) return SERVES;
  return [
    ['serving', waited + took],
    ['ready', Infinity],
  ];
}

/** What the old process did, and what the new one did. */
export function pair(process) {
  const { phase, waited_seconds: waited, ready_seconds: took } = process;
  const { drain_seconds: drained = 0, failed_seconds: failed = 0, stop_seconds: stopped } = process;
  const unborn = ['gone', waited];
  if (took) {
    const old = [
      ['serving', waited + took - drained],
      ['draining', drained],
      ['stopping', stopped || Infinity],
      GONE,
    ];
    return [old, [unborn, ['starting', took], ['ready', Infinity]]];
  }
  // The old one keeps its name and its work, or has them again.
  if (phase === 'skipped') return [SERVES, []];
  const tried = ['starting', phase === 'failed' ? Math.max(0, failed - waited) : Infinity];
  return [SERVES, [unborn, tried, ['failed', Infinity]]];
}
