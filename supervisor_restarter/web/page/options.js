/** The options of a restart and of an apply as fields of a form. What is left empty is not sent. */

import { h } from './dom.js';

const FLAG = [
  ['true', 'yes'],
  ['false', 'no'],
];
const SECONDS = { unit: 's', mode: 'decimal' };

/** name, what it means; choices: a list instead of a text; of: 'restart' or 'apply' alone. */
const FIELDS = [
  {
    name: 'max_unavailable',
    help: 'How many of a group may be not ready at once: 1, 25%',
    main: true,
    hints: ['1', '25%', '50%', '100%'],
  },
  {
    name: 'max_surge',
    help: 'How many of a group may have their new process beside the old one: 1, 25%; 0: none',
    of: 'restart',
    main: true,
    hints: ['0', '1', '25%', '100%'],
  },
  {
    name: 'min_ready',
    help: 'How long a new process must stay ready before it counts',
    main: true,
    ...SECONDS,
  },
  {
    name: 'rollback',
    help: 'After a failure put the old configuration back',
    of: 'apply',
    main: true,
    choices: FLAG,
  },
  {
    name: 'prune',
    help: 'Remove groups that are no longer in the files',
    of: 'apply',
    main: true,
    choices: FLAG,
  },
  {
    name: 'ready_timeout',
    help: 'How soon after its start a process must be ready; 0: no limit',
    ...SECONDS,
  },
  {
    name: 'stop_timeout',
    help: 'From the stop signal to SIGKILL; empty: the program’s stopwaitsecs',
    ...SECONDS,
  },
  {
    name: 'hook_timeout',
    help: 'How long RESTARTER_BEFORE_STOP and RESTARTER_AFTER_READY may take; 0: no limit',
    ...SECONDS,
  },
  { name: 'timeout', help: 'After this take nothing more down; 0: no limit', ...SECONDS },
  {
    name: 'scout',
    help: 'How long the first process must be up before the next goes down; 0: not alone',
    ...SECONDS,
  },
  { name: 'stagger_factor', help: 'In how many waves the processes are stopped', mode: 'numeric' },
  { name: 'delay', help: 'Time between two waves', ...SECONDS },
  {
    name: 'on_failure',
    help: 'After a failure take no further process down, or carry on',
    choices: [['abort'], ['continue']],
  },
  {
    name: 'if_busy',
    help: 'If the group is being restarted already',
    choices: [['fail'], ['queue']],
  },
  {
    name: 'method',
    help: 'restart; start: what is down alone; or a signal instead',
    of: 'restart',
    hints: ['restart', 'start', 'signal:HUP', 'signal:USR1', 'signal:USR2'],
  },
  {
    name: 'only_running',
    help: 'Leave processes that are not running as they are',
    of: 'restart',
    choices: FLAG,
  },
  {
    name: 'newer_than',
    help: 'Leave alone what started after this path changed',
    of: 'restart',
    placeholder: '/srv/app/current',
  },
];

const PAUSE = 250; // ms without a key before the options count as changed
const OF_FAULT = /^[A-Z_]+: (\w+)(?: =| is no option)/;

export class OptionForm {
  #inputs = new Map();
  #timer = 0;
  #problem = h('p', { class: 'option-problem', role: 'alert', hidden: true });
  #changed;

  /** of: 'restart' or 'apply'; changed(): called when the options are others. */
  constructor(of, changed) {
    this.#changed = changed;
    const fields = FIELDS.filter((field) => !field.of || field.of === of);
    const rows = (some) => some.map((field) => this.#row(field));
    this.element = h(
      'form',
      { class: 'options', on: { submit: (e) => e.preventDefault() } },
      h('div', { class: 'option-rows' }, ...rows(fields.filter((field) => field.main))),
      h(
        'details',
        { class: 'more-options' },
        h('summary', { text: 'More options' }),
        h('div', { class: 'option-rows' }, ...rows(fields.filter((field) => !field.main))),
      ),
      this.#problem,
    );
  }

  /** The struct of a call: what is filled in. */
  get values() {
    const struct = {};
    for (const [name, { input, choices }] of this.#inputs) {
      const text = input.value.trim();
      if (text) struct[name] = choices === FLAG ? text === 'true' : text;
    }
    return struct;
  }

  /** What holds where nothing is filled in. */
  setDefaults(options) {
    const given = this.values;
    for (const [name, { input, choices }] of this.#inputs) {
      const value = options[name];
      if (name in given || value === undefined || value === '' || name === 'newer_than') continue;
      if (!choices) input.placeholder = String(value);
      else input.options[0].textContent = `${choiceWord(choices, String(value))} (default)`;
    }
  }

  /** Why the options are refused, at the field that it names; '': they are not. */
  setProblem(text) {
    this.#problem.textContent = text;
    this.#problem.hidden = !text;
    const wrong = OF_FAULT.exec(text)?.[1];
    for (const [name, { input }] of this.#inputs) {
      if (name === wrong) input.setAttribute('aria-invalid', 'true');
      else input.removeAttribute('aria-invalid');
      if (name === wrong) input.closest('details')?.setAttribute('open', '');
    }
  }

  #row(field) {
    const id = `option-${field.name}`;
    const input = field.choices ? choice(id, field.choices) : textField(id, field);
    input.addEventListener('input', () => this.#later());
    this.#inputs.set(field.name, { input, choices: field.choices });
    const unit = field.unit ? ` (${field.unit})` : '';
    return h(
      'div',
      { class: 'option' },
      h('label', { for: id, text: `${field.name}${unit}` }),
      input,
      field.hints
        ? h(
            'datalist',
            { id: `${id}-hints` },
            ...field.hints.map((value) => h('option', { value })),
          )
        : null,
      h('small', { id: `${id}-help`, text: field.help }),
    );
  }

  #later() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#changed, PAUSE);
  }
}

function textField(id, field) {
  return h('input', {
    id,
    name: field.name,
    type: 'text',
    autocomplete: 'off',
    spellcheck: 'false',
    inputmode: field.mode ?? 'text',
    placeholder: field.placeholder ?? '',
    'aria-describedby': `${id}-help`,
    ...(field.hints ? { list: `${id}-hints` } : {}),
  });
}

function choice(id, choices) {
  const options = choices.map(([value, text]) => h('option', { value, text: text ?? value }));
  const first = h('option', { value: '', text: 'default' });
  return h('select', { id, 'aria-describedby': `${id}-help` }, first, ...options);
}

function choiceWord(choices, value) {
  const [known, text] = choices.find(([one]) => one === value) ?? [value];
  return text ?? known;
}
