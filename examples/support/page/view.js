// Puts what the page knows on the screen.

const $ = (selector) => document.querySelector(selector);

/** "4 min 12 s"; `ms` may be negative. */
export const span = (ms) => {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts = [
    ['d', 86400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ];
  const first = parts.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0 s';
  return parts
    .slice(first, first + 2)
    .map(([unit, size], index) => {
      const count = Math.floor(seconds / size) % (index ? parts[first][1] / size : Infinity);
      return `${count} ${unit}`;
    })
    .filter((part, index) => !index || !part.startsWith('0 '))
    .join(' ');
};

/** How long before its end the client renews a token: a fifth of its life, 5 to 120 s, at most half. */
const margin = (life) => Math.min(Math.max(life * 0.2, 5e3), 120e3, life / 2);

/** A bar of what is left of a life, both in milliseconds. */
export const bar = (name, left, life) => {
  const share = Math.min(1, Math.max(0, left / life));
  const element = $(`#${name}-bar`);
  element.firstElementChild.style.transform = `scaleX(${share})`;
  element.setAttribute('aria-valuenow', Math.round(share * 100));
  element.setAttribute('aria-valuetext', span(left));
  $(`#${name}-left`).textContent = left > 0 ? `${span(left)} left` : 'expired';
  return share;
};

/** `ends` is when the session cookie ends, in Unix seconds, if the server has said so. */
export const showTokens = ({ issuedAtWall, lifeMs, refreshLifeMs, retry }, transport, ends) => {
  const age = Date.now() - issuedAtWall;
  if (refreshLifeMs)
    bar('refresh', transport == 'session' && ends ? ends * 1e3 - Date.now() : refreshLifeMs - age, refreshLifeMs);
  if (transport == 'session') return;
  const share = bar('access', lifeMs - age, lifeMs);
  const due = lifeMs - margin(lifeMs) - age;
  const element = $('#access-bar');
  element.lastElementChild.style.left = `${(margin(lifeMs) / lifeMs) * 100}%`;
  element.classList.toggle('due', due <= 0 && share > 0);
  element.classList.toggle('over', share == 0);
  $('#access-hint').textContent = retry
    ? 'Could not be renewed yet. You stay logged in, and it is tried again.'
    : due > 0
      ? `Sent with each request. Lives ${span(lifeMs)}, and is renewed in ${span(due)}.`
      : 'Sent with each request. Being renewed.';
};

const LABELS = {
  header: ['Refresh token', 'Buys the next pair, and is replaced by it. Kept by this page.'],
  cookie: ['Refresh token', 'Buys the next access token. A cookie that no script can read.'],
  session: ['Session cookie', 'All there is. No script can read it; its life starts again with use.'],
};

const REPLAY = {
  cookie: 'Not possible here: no script can read the refresh token, so none can steal it.',
  session: 'Not possible here: there is no token that a script could steal.',
};

/** Shows what belongs to the transport, and nothing else. */
export const showTransport = (transport) => {
  for (const part of document.querySelectorAll('[data-for]'))
    part.hidden = !part.dataset.for.split(' ').includes(transport);
  const [name, hint] = LABELS[transport];
  $('#refresh-name').textContent = name;
  $('#refresh-bar').ariaLabel = `Remaining life of the ${name.toLowerCase()}`;
  $('#refresh-hint').textContent = hint;
  $('#transport').textContent = `transport: ${transport}`;
  $(`#login [value=${transport}]`).checked = true;
};

/** `spent` is `{ at }` of an old refresh token, when it was replaced; `graceMs` is how long it is harmless. */
export const showReplay = (transport, spent, graceMs = 0) => {
  $('#replay').disabled = !spent;
  const left = spent && spent.at + graceMs - Date.now();
  $('#replay-name').textContent = !spent || REPLAY[transport]
    ? 'Replay an old token'
    : left > 0
      ? `Replay: harmless for ${span(left)}`
      : left > -10e3
        ? 'Replay: about to be a theft'
        : 'Replay: a theft now';
  $('#replay-hint').textContent =
    REPLAY[transport] ??
    (!spent
      ? 'As a thief would. Renew once first, so that there is an old one.'
      : left > 0
        ? 'The old token is taken for a repeated request, and gets the same answer again.'
        : left > -10e3
          ? 'The grace has ended, except for some seconds of tolerance for clocks that differ.'
          : 'The grace has ended. The session ends, for you and for the thief.');
};

export const showSignedIn = () => {
  $('#out').hidden = true;
  $('#in').hidden = $('#timeline').hidden = $('#latest').hidden = false;
  for (const part of document.querySelectorAll('.signed-in')) part.hidden = false;
  $('#status').textContent = 'Signed in';
};

export const showSignedOut = () => {
  $('#in').hidden = $('#latest').hidden = true;
  $('#out').hidden = false;
  $('#timeline').hidden = !$('#entries').children.length;
  for (const part of document.querySelectorAll('.signed-in')) part.hidden = true;
  $('#status').textContent = '';
  $('#step-up').close();
};

export const showStatus = ({ sub, scope }) => {
  const name = Object.assign(document.createElement('b'), { textContent: sub });
  const scopes = Object.assign(document.createElement('span'), { textContent: scope ?? '' });
  $('#status').replaceChildren('Signed in as ', name, ' ', scopes);
};

const ago = (seconds) => {
  const ms = Date.now() - seconds * 1000;
  return ms < 90e3 ? 'just now' : `${span(ms)} ago`;
};

export const showSessions = (sessions, end) => {
  const rows = sessions.map((session) => {
    const { label, ip_prefix } = session.device ?? {};
    const title = document.createElement('p');
    title.append(label ?? 'Unknown device');
    if (session.current)
      title.append(Object.assign(document.createElement('span'), { className: 'tag', textContent: 'this one' }));
    const facts = [
      session.transport,
      session.binding == 'device' && 'bound to its browser',
      `opened ${ago(session.created_at)}, at ${new Date(session.created_at * 1000).toLocaleTimeString('en-GB')}`,
      `used ${ago(session.last_seen_at)}`,
      ip_prefix && `from ${ip_prefix}`,
      session.session_id.slice(0, 6),
    ];
    const detail = Object.assign(document.createElement('small'), { textContent: facts.filter(Boolean).join(' · ') });
    const what = document.createElement('div');
    what.append(title, detail);
    const button = Object.assign(document.createElement('button'), { textContent: 'End', className: 'small' });
    button.type = 'button';
    button.ariaLabel = `End the session on ${label ?? 'an unknown device'}`;
    button.onclick = () => end(session.session_id);
    const row = document.createElement('li');
    row.append(what, button);
    return row;
  });
  $('#sessions').replaceChildren(...rows);
  $('#end-others').hidden = sessions.length < 2;
};
