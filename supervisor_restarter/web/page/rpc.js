/** Everything that acts goes through Supervisor's own XML-RPC interface: the page can do nothing else. */

import { clean, FOREIGN, refusal, SILENT, Trouble } from './http.js';

const PATIENCE_MS = 30_000; // every call that the page makes is answered at once

let namespace = 'restarter';

/** The section [rpcinterface:x] may have any name: `x` is the namespace of the plugin's methods. */
export function setNamespace(name) {
  namespace = name;
}

/**
 * Call a method: 'startRestart' is one of the plugin's, 'supervisor.stopProcess' is called as it is.
 * Numbers are sent as integers if they are whole, as doubles if not.
 * @param {string} method
 * @param {...any} params
 * @returns {Promise<any>} the result; a Trouble says why there is none: a fault, or no answer
 */
export async function call(method, ...params) {
  const name = method.includes('.') ? method : `${namespace}.${method}`;
  const request = document.implementation.createDocument(null, 'methodCall');
  const root = request.documentElement;
  add(root, 'methodName', name);
  const list = add(root, 'params');
  for (const param of params) encode(add(list, 'param'), param);
  return result(await post(new XMLSerializer().serializeToString(request)));
}

/** The answer as a document. By XMLHttpRequest: Trusted Types do not let a script parse markup. */
function post(body) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', clean('../RPC2'));
    request.responseType = 'document';
    request.timeout = PATIENCE_MS;
    request.setRequestHeader('Content-Type', 'text/xml');
    request.onreadystatechange = () => {
      if (request.readyState !== XMLHttpRequest.HEADERS_RECEIVED) return;
      const type = request.getResponseHeader('Content-Type') ?? '';
      if (request.status === 200 && type.includes('xml')) return;
      // A proxy's page is not to be parsed as XML.
      reject(new Trouble(request.status === 200 ? FOREIGN : refusal(request)));
      request.abort();
    };
    request.onload = () => {
      if (request.responseXML) resolve(request.responseXML);
      else reject(new Trouble(FOREIGN));
    };
    request.ontimeout = () => reject(new Trouble(SILENT));
    request.onerror = () => reject(new Trouble(SILENT));
    request.send(body);
  });
}

function add(parent, tag, text) {
  const node = parent.ownerDocument.createElementNS(null, tag);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

function encode(parent, value) {
  const node = add(parent, 'value');
  if (typeof value === 'boolean') add(node, 'boolean', value ? '1' : '0');
  else if (typeof value === 'number')
    add(node, Number.isInteger(value) ? 'int' : 'double', String(value));
  else if (Array.isArray(value)) {
    const data = add(add(node, 'array'), 'data');
    for (const one of value) encode(data, one);
  } else if (value && typeof value === 'object') {
    const struct = add(node, 'struct');
    for (const [key, one] of Object.entries(value)) {
      const member = add(struct, 'member');
      add(member, 'name', key);
      encode(member, one);
    }
  } else add(node, 'string', String(value));
}

function result(answer) {
  const fault = answer.querySelector('methodResponse > fault > value');
  if (fault) {
    throw new Trouble(oneLine(decode(fault).faultString));
  }
  const value = answer.querySelector('methodResponse > params > param > value');
  if (!value) throw new Trouble(FOREIGN);
  return decode(value);
}

const oneLine = (text) => String(text).replace(/\s*\n\s*/g, ' ');

function decode(value) {
  const node = value.firstElementChild;
  if (!node) return value.textContent;
  const text = node.textContent;
  switch (node.tagName) {
    case 'int':
    case 'i4':
    case 'double':
      return Number(text);
    case 'boolean':
      return text.trim() === '1';
    case 'array':
      return [...node.querySelectorAll(':scope > data > value')].map(decode);
    case 'struct':
      return Object.fromEntries(
        [...node.children].map((member) => [
          member.children[0].textContent,
          decode(member.children[1]),
        ]),
      );
    case 'nil':
      return null;
    default:
      return text;
  }
}
