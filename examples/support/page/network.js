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
  const sent = performance.now();
  let response;
  try {
    response = await fetch(request);
  } catch (error) {
    if (!request.signal.aborted)
      note('fault', 'No answer', `${name}: the server cannot be reached. That is no reason to log anybody out.`);
    throw error;
  }
  if (pathname == '/auth/refresh' && faults.dropNext) {
    faults.dropNext = false;
    dispatchEvent(new Event('faults'));
    note(
      'fault',
      'An answer was lost',
      'Whatever the server did, this browser still has the old refresh token. It asks again, and gets the same successor.',
    );
    throw new TypeError('dropped');
  }
  noteRequest(name, response.status, Math.round(performance.now() - sent));
  return response;
};
