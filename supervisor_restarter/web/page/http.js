/** What all questions to supervisord share: addresses, and what is said when something goes wrong. */

/** What is said when there is no answer at all. */
export const SILENT = 'supervisord does not answer';
/** And when it is the answer of something else, as of a proxy that wants a login. */
export const FOREIGN = 'the server answered something else than supervisord does';

/** What the reader is to be told, in one line, and what is no defect of the page. */
export class Trouble extends Error {}

/** An error in one line. One that nobody has foreseen is a defect: the console tells where it is. */
export function inWords(error) {
  if (error instanceof Trouble) return error.message;
  reportError(error);
  return `this page has a defect: ${error.message}`;
}

/** An address beside the page, without the user and password that a browser refuses to fetch with. */
export function clean(path) {
  const url = new URL(path, location.href);
  url.username = '';
  url.password = '';
  return url.href;
}

/**
 * The JSON at an address beside the page. A Trouble says why there is none: the line that
 * supervisord says, or what a proxy answered in its place.
 * @param {string} path
 * @param {AbortSignal} signal its reason is thrown
 * @returns {Promise<any>}
 */
export async function json(path, signal) {
  const answer = await fetch(clean(path), { signal, cache: 'no-store' }).catch(silent);
  const type = answer.headers.get('Content-Type') ?? '';
  if (answer.ok && type.startsWith('application/json')) return answer.json().catch(silent);
  const text = type.startsWith('text/plain') ? await answer.text().catch(silent) : '';
  const [line] = text.trim().split('\n');
  if (line && !answer.ok) throw new Trouble(line);
  throw new Trouble(answer.ok ? FOREIGN : refusal(answer));
}

/** @param {{status: number, statusText: string}} answer of another status than 200 */
export function refusal({ status, statusText }) {
  return `the server answered ${status} ${statusText}`.trim();
}

/** The connection is refused, or breaks off in the middle of an answer. */
function silent(error) {
  throw error instanceof TypeError || error instanceof SyntaxError ? new Trouble(SILENT) : error;
}
