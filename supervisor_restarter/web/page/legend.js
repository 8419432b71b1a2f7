/** What the bars of a chart mean. */

import { h, s } from './dom.js';
import { bar, textures } from './drawing.js';
import { KINDS, MEANINGS } from './timeline.js';

const LEGEND = {
  serving: 'serving (old process)',
  draining: 'draining (RESTARTER_BEFORE_STOP)',
  stopping: 'stopping',
  down: 'down',
  starting: 'starting, not ready yet',
  ready: 'ready (new process)',
  failed: 'failed',
};

/** What each texture means. */
export function legend() {
  const { defs, fill } = textures();
  const sample = (kind) =>
    s(
      'svg',
      { class: 'sample', width: 26, height: 14, 'aria-hidden': 'true' },
      s('rect', bar(kind, 1, 24, 0, 14, fill)),
    );
  const items = KINDS.filter((kind) => kind !== 'left').map((kind) =>
    h('li', { title: MEANINGS[kind][1] }, sample(kind), LEGEND[kind]),
  );
  return h(
    'ul',
    { class: 'legend' },
    s('svg', { class: 'textures', 'aria-hidden': 'true' }, defs),
    ...items,
  );
}
