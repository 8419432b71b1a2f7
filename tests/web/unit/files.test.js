/** The modules as files: what a browser must know of before it has read the first. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

const PAGE = new URL('../../../supervisor_restarter/web/page/', import.meta.url);
const read = (name) => readFileSync(new URL(name, PAGE), 'utf8');
const files = readdirSync(PAGE);
const modules = files.filter((name) => name.endsWith('.js'));
const styles = files.filter((name) => name.endsWith('.css'));

test('every module is asked for at once, not one import after the other', () => {
  const named = [
    ...read('index.html').matchAll(/(?:modulepreload" href|script type="module" src)="(.*?)"/g),
  ];
  assert.deepEqual(named.map(([, name]) => name).sort(), modules.sort());
});

test('every style sheet is linked, and names no class that no element has', () => {
  const html = read('index.html');
  const linked = [...html.matchAll(/stylesheet" href="(.*?)"/g)].map(([, name]) => name);
  assert.deepEqual(linked.sort(), styles.sort());
  const words = new Set([html, ...modules.map(read)].join('\n').match(/[\w-]+/g));
  const known = (one) => words.has(one) || one.startsWith('layer-'); // chart.js puts these together
  for (const name of styles) {
    const selectors = read(name)
      .replace(/\/\*.*?\*\//gs, '')
      .match(/[^{}]+(?=\{)/g);
    const classes = selectors.join().match(/(?<=\.)[a-z][\w-]*/g);
    const unknown = classes.filter((one) => !known(one));
    assert.deepEqual(unknown, [], name);
  }
});

test('no module makes markup of text, and none writes to the console', () => {
  const forbidden = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|console\.|\beval\(/;
  for (const name of modules) assert.doesNotMatch(read(name), forbidden, name);
});
