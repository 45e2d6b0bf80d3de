// The example's page. The client (auth.js) does everything about tokens; this file shows it.
import { createAuth } from './auth.js';
import { faults, network } from './network.js';
import { record } from './record.js';
import { note } from './timeline.js';
import { showSessions, showSignedIn, showSignedOut, showStatus, showTokens } from './view.js';

const $ = (selector) => document.querySelector(selector);
const send = network(note);
const auth = createAuth({ fetch: send });

/** The record without its tokens, as the client last told. */
let known = {};
/** How the record changed last: `commit` is a renewal by this tab. */
let lastWrite;
/** Refresh tokens that this tab has seen, and when it first saw their successor. */
let current;
let spent;

// ---- what the client tells

auth.on('activity', ({ event, write, won, known: now }) => {
  if (event == 'stored' && write == 'claim' && !won)
    note('', 'Another tab is renewing already', 'This one waits for its tokens.');
  if (event == 'stored') {
    if (won || write == 'read') lastWrite = write;
    render(now);
  }
});
auth.on('refreshed', async () => {
  const { refresh } = await record();
  const own = lastWrite == 'commit';
  if (refresh && current && refresh != current) {
    spent = { token: current, at: Date.now() };
    if (own) note('', 'A new refresh token', 'The old one gets the same answer again until the grace is over.');
  } else if (own)
    note('', 'The same refresh token again, with a new access token', 'There is at most one rotation in a grace window.');
  current = refresh ?? current;
  listSoon();
});
auth.on('refreshError', ({ status, offline, retryAt }) => {
  const wait = `Tries again in ${Math.max(0, Math.round((retryAt - Date.now()) / 1000))} s; nobody is logged out.`;
  note('warn', offline ? 'Offline: not renewed' : `Not renewed (${status || 'no answer'})`, wait);
});
const reasons = {
  logout: 'You logged out.',
  revoked: 'The session was ended: from another tab or device, or because a spent refresh token came back.',
  reused: 'A spent refresh token came back after its grace. Somebody may have a copy, so the server ended the session for both.',
  expired: 'The session reached its deadline.',
  unknown: 'The server does not know this session any more.',
};
auth.on('signedOut', ({ reason }) => {
  const text = reasons[reason] ?? `The session is over (${reason}).`;
  note(reason == 'logout' ? '' : 'bad', 'Signed out', text);
  current = spent = undefined;
  $('#reason').textContent = text;
  $('#reason').hidden = reason == 'logout';
});

// ---- what the page shows

let shown;
const render = async (now) => {
  known = now;
  const session = known.end ? undefined : known.session;
  if (session == shown && shown !== undefined) return;
  const first = shown === undefined;
  shown = session ?? null;
  if (!session) return showSignedOut();
  showSignedIn();
  if (first) note('', 'Found a session in this browser');
  current ??= (await record()).refresh;
  call('GET /api/me');
  listSoon();
};
let soon;
const listSoon = () => {
  clearTimeout(soon);
  soon = setTimeout(listSessions, 100);
};
const listSessions = async () => {
  if (shown) showSessions(await auth.sessions().catch(() => []), endSession);
};
const endSession = async (id) => {
  await auth.endSession(id).catch(() => {});
  // Ending one's own is noticed by asking for something.
  await listSessions();
};
setInterval(() => {
  if (!shown) return;
  showTokens(known);
  const hint = $('#replay-hint');
  $('#replay').disabled = !spent;
  const left = spent && Math.ceil((spent.at + (known.graceMs ?? 0) - Date.now()) / 1000);
  hint.textContent = !spent
    ? 'After a renewal the old refresh token can be replayed, as a thief would.'
    : left > 0
      ? `Replayed now, the old token is taken for a lost answer: harmless for ${left} s more.`
      : left > -10
        ? 'The grace is over, but for some seconds that are left to clocks that differ.'
        : 'The grace is over: replayed now, the old token ends the session, for you and for the thief.';
}, 500);

// ---- log in and out

const refusal = (error) =>
  error.name != 'RequestRefused'
    ? 'The server cannot be reached.'
    : error.status == 401
      ? 'Unknown user or wrong password.'
      : error.status == 429
        ? `Too many attempts. Try again in ${Math.ceil(error.retryAfterMs / 1000)} s.`
        : `The server answered ${error.status} ${error.error ?? ''}.`;

$('#login').onsubmit = async (event) => {
  event.preventDefault();
  const form = event.target;
  const { username, password, remember } = form.elements;
  const error = $('#login-error');
  error.hidden = true;
  form.querySelector('.primary').disabled = true;
  try {
    await auth.login({ username: username.value, password: password.value, remember: remember.checked });
    form.reset();
    note('good', 'Logged in');
  } catch (failure) {
    error.textContent = refusal(failure);
    error.hidden = false;
  }
  form.querySelector('.primary').disabled = false;
};
for (const button of document.querySelectorAll('.demo button'))
  button.onclick = () => {
    const { username, password } = $('#login').elements;
    username.value = button.dataset.user;
    password.value = button.dataset.password;
    $('#login').requestSubmit();
  };
$('#logout').onclick = () => auth.logout();
$('#logout-all').onclick = async () => {
  await auth.fetch('/auth/sessions', { method: 'DELETE' }).catch(() => {});
  await auth.logout();
};
$('#end-others').onclick = () => endSession('others');

// ---- calls

const bodies = { '/api/notes': { text: 'Remember the milk' }, '/api/transfer': { to: 'bob', amount: 5 } };
const call = async (name) => {
  const [method, path] = name.split(' ');
  const body = bodies[path];
  const init = body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  const response = await auth.fetch(path, { method, ...init }).catch((error) => error);
  const answer = $('#answer');
  if (!(response instanceof Response)) {
    answer.textContent = response.name == 'LoginRequired' ? 'Nobody is logged in.' : 'No answer.';
    return;
  }
  const json = await response.json().catch(() => ({}));
  answer.textContent = `${response.status} ${JSON.stringify(json, null, 1)}`;
  if (path == '/api/me' && response.ok) {
    showStatus(json);
    $('#step-up-form').elements.username.value = json.sub;
  }
  if (json.error == 'insufficient_user_authentication') stepUp(() => call(name));
};
for (const button of document.querySelectorAll('[data-call]')) button.onclick = () => call(button.dataset.call);

let afterStepUp;
const stepUp = (then) => {
  afterStepUp = then;
  $('#step-up-error').hidden = true;
  $('#step-up').showModal();
};
$('#step-up-cancel').onclick = () => $('#step-up').close();
$('#step-up-form').onsubmit = async (event) => {
  event.preventDefault();
  const { password } = event.target.elements;
  const sent = Date.now();
  const { refresh } = await record();
  const response = await send('/auth/step-up', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ password: password.value, refresh_token: refresh }),
  }).catch(() => undefined);
  if (response?.ok) {
    await auth.setTokens(await response.json(), sent);
    password.value = '';
    $('#step-up').close();
    note('good', 'Authenticated again', 'The same session, with new tokens; the older ones are refused from now on.');
    afterStepUp();
  } else {
    $('#step-up-error').textContent = response?.status == 401 ? 'Wrong password.' : 'That did not work.';
    $('#step-up-error').hidden = false;
  }
};

// ---- trouble

$('#renew').onclick = async () => {
  const { access } = await record();
  await auth.getToken(access).catch(() => {});
};
const press = (button, on) => button.setAttribute('aria-pressed', on);
$('#offline').onclick = ({ target }) => {
  faults.offline = !faults.offline;
  press(target, faults.offline);
  target.textContent = faults.offline ? 'Go online again' : 'Go offline';
  note('', faults.offline ? 'This tab is offline' : 'This tab is online again');
  if (!faults.offline) dispatchEvent(new Event('online'));
};
$('#drop').onclick = ({ target }) => {
  faults.dropNext = !faults.dropNext;
  press(target, faults.dropNext);
};
addEventListener('faults', () => press($('#drop'), faults.dropNext));

$('#replay').onclick = async () => {
  const response = await send('/auth/refresh', {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: spent.token }),
    credentials: 'omit',
  }).catch(() => undefined);
  const answer = await response?.json().catch(() => ({}));
  if (!response) return;
  if (response.ok) {
    const same = answer.refresh_token == current;
    note(
      'warn',
      'The old refresh token was replayed within its grace',
      same
        ? 'The server took it for a lost answer and gave the same successor again: no second branch, nothing won.'
        : 'The server gave a token that this tab has not seen: another tab renewed meanwhile.',
    );
  } else {
    note(
      'bad',
      `The old refresh token was refused: ${answer.reason}`,
      answer.reason == 'reused' ? 'The server has ended the session. The next call will show it.' : '',
    );
    await call('GET /api/me');
    const { access } = await record();
    await auth.getToken(access).catch(() => {});
  }
};
