// Puts what the page knows on the screen.

const $ = (selector) => document.querySelector(selector);

/** "4 min 12 s"; `ms` may be negative. */
const span = (ms) => {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts = [
    ['d', 86400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ];
  const first = parts.findIndex(([, size]) => seconds >= size);
  if (first < 0) return 'over';
  return parts
    .slice(first, first + 2)
    .map(([unit, size], index) => {
      const count = Math.floor(seconds / size) % (index ? parts[first][1] / size : Infinity);
      return `${count} ${unit}`;
    })
    .filter((part, index) => !index || !part.startsWith('0 '))
    .join(' ');
};

/** The share of its life at which the client renews a token: its margin is a fifth, 5 to 120 s, at most half. */
const margin = (life) => Math.min(Math.max(life * 0.2, 5e3), 120e3, life / 2) / life;

const bar = (name, left, life) => {
  const share = Math.min(1, Math.max(0, left / life));
  const element = $(`#${name}-bar`);
  element.firstElementChild.style.transform = `scaleX(${share})`;
  element.setAttribute('aria-valuenow', Math.round(share * 100));
  element.setAttribute('aria-valuetext', span(left));
  $(`#${name}-left`).textContent = left > 0 ? `${span(left)} left` : 'expired';
  return share;
};

export const showTokens = ({ issuedAtWall, lifeMs, refreshLifeMs }) => {
  const age = Date.now() - issuedAtWall;
  const share = bar('access', lifeMs - age, lifeMs);
  const mark = margin(lifeMs);
  const element = $('#access-bar');
  element.lastElementChild.style.left = `${mark * 100}%`;
  element.classList.toggle('due', share <= mark && share > 0);
  element.classList.toggle('over', share == 0);
  if (refreshLifeMs) bar('refresh', refreshLifeMs - age, refreshLifeMs);
};

export const showSignedIn = () => {
  $('#out').hidden = true;
  $('#in').hidden = $('#timeline').hidden = false;
  for (const part of document.querySelectorAll('.signed-in')) part.hidden = false;
  $('#status').textContent = 'Signed in';
};

export const showSignedOut = () => {
  $('#in').hidden = true;
  $('#out').hidden = false;
  $('#timeline').hidden = !$('#entries').children.length;
  for (const part of document.querySelectorAll('.signed-in')) part.hidden = true;
  $('#status').textContent = 'Signed out';
  $('#step-up').close();
};

export const showStatus = ({ sub, scope }) => {
  const name = Object.assign(document.createElement('b'), { textContent: sub });
  $('#status').replaceChildren('Signed in as ', name, scope ? ` · ${scope.replaceAll(' ', ', ')}` : '');
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
      `opened ${ago(session.created_at)}`,
      ip_prefix && `from ${ip_prefix}`,
      `ends in ${span(session.expires_at * 1000 - Date.now())} unless used`,
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
