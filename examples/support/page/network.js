// The page's own fetch: shows each request in the timeline, and plays the faults that the buttons ask for.
import { note, noteRequest } from './timeline.js';

/** What the buttons have switched on in this tab. */
export const faults = { offline: false, dropNext: false };

export const send = async (input, init) => {
  const request = new Request(input, init);
  const { pathname, search } = new URL(request.url);
  const name = `${request.method} ${pathname}${search}`;
  if (faults.offline) {
    note('fault', 'Not sent', `${name}: this tab is offline.`);
    throw new TypeError('offline');
  }
  // The server acts, and the demo sends its answer nowhere: a cookie in it must not arrive either.
  const lost = pathname == '/auth/refresh' && faults.dropNext;
  if (lost) request.headers.set('demo-lose-answer', '1');
  const sent = performance.now();
  let response;
  try {
    response = await fetch(request);
  } catch (error) {
    if (!request.signal.aborted)
      note('fault', 'No answer', `${name}: the server cannot be reached. That is no reason to log anybody out.`);
    throw error;
  }
  if (lost) {
    faults.dropNext = false;
    dispatchEvent(new Event('faults'));
    note(
      'fault',
      'An answer was lost',
      'The server has renewed, and this browser still has the old refresh token. It asks again, and gets the same successor.',
    );
    throw new TypeError('dropped');
  }
  // What the page asks the demo about is no part of the story.
  if (pathname.startsWith('/demo/')) return response;
  noteRequest(name, response.status, Math.round(performance.now() - sent));
  return response;
};
