// The page's own fetch: shows each request in the timeline, and plays the faults that the buttons ask for.

/** What the buttons have switched on in this tab. */
export const faults = { offline: false, dropNext: false };

/** `report(tone, text, detail)` is called once for each request. */
export const network = (report) => async (input, init) => {
  const request = new Request(input, init);
  const { pathname, search } = new URL(request.url);
  const name = `${request.method} ${pathname}${search}`;
  if (faults.offline) {
    report('warn', `${name} was not sent`, 'This tab is offline.');
    throw new TypeError('offline');
  }
  const sent = performance.now();
  let response;
  try {
    response = await fetch(request);
  } catch (error) {
    report('warn', `${name} got no answer`, 'The server cannot be reached. That is no reason to log anybody out.');
    throw error;
  }
  if (pathname == '/auth/refresh' && faults.dropNext) {
    faults.dropNext = false;
    dispatchEvent(new Event('faults'));
    report(
      'warn',
      `${name} was answered, and the answer was lost`,
      'The server has rotated the refresh token; this tab still has the old one. It asks again, and gets the same successor.',
    );
    throw new TypeError('dropped');
  }
  const took = `${Math.round(performance.now() - sent)}\u00a0ms`;
  report(response.ok ? 'good' : response.status == 503 ? 'warn' : 'bad', `${name} → ${response.status} · ${took}`);
  return response;
};
