// The example's page. The client (auth.js) does everything about tokens; this file shows it.
import { auth, choose, on, start, transport } from './client.js';
import './device.js';
import { note, tab } from './timeline.js';
import { noteRefreshToken, showSpent } from './trouble.js';
import { showSessions, showSignedIn, showSignedOut, showStatus, showTokens, showTransport } from './view.js';

const $ = (selector) => document.querySelector(selector);

/** The record without its tokens, from the client's last event. */
let known = {};
/** How the record changed last: `commit` is a renewal by this tab, or its step-up. */
let lastWrite;
let stepsUp = false;
/** The session on the screen, `null` for none; `undefined` before anything is known. */
let shown;
/** When the current session ends, in Unix seconds, as in the list of sessions. */
let ends;

// ---- events of the client

on('transport', (transport) => {
  known = {};
  shown = ends = undefined;
  showTransport(transport);
});
on('activity', ({ write, won, known: now }) => {
  if (!write) return;
  if (write == 'claim' && !won) note('race', 'Another tab is renewing already', 'This one waits for its tokens.');
  if (won || write == 'read') lastWrite = write == 'commit' && stepsUp ? 'step-up' : write;
  render(now);
});
on('refreshed', async () => {
  const write = lastWrite;
  const changed = await noteRefreshToken();
  if (write == 'read') note('race', 'Took over what another tab fetched', 'One renewal serves all tabs.');
  else if (write == 'commit' && transport == 'cookie')
    note('renewal', 'A new access token', 'The refresh token is in a cookie, out of sight.');
  else if (write == 'commit' && changed)
    note('renewal', 'A new access token and a new refresh token', 'Until the grace ends, the old one gets the same answer again.');
  else if (write == 'commit')
    note('renewal', 'A new access token, the same refresh token', 'There is at most one rotation in a grace window.');
  listSoon();
});
on('switched', () => note('session', 'Another session', 'Somebody logged in again in this browser: what this page shows is theirs now.'));
on('refreshError', ({ status, offline, retryAt }) => {
  const wait = Math.max(0, Math.round((retryAt - Date.now()) / 1000));
  const why = offline ? 'offline' : status || 'no answer';
  note('fault', `Not renewed: ${why}`, `Tries again ${wait ? `in ${wait} s` : 'at once'}. Nobody is logged out.`);
});
const reasons = {
  logout: 'You logged out here, or in another tab.',
  revoked: 'The session was ended: from another tab or device, or because an old refresh token came back.',
  reused: 'An old refresh token came back after its grace. Somebody may have a copy, so the server ended the session for both.',
  expired: 'The session was ended, or reached its deadline.',
  unknown: 'The server does not know this session any more.',
};
on('signedOut', ({ reason }) => {
  const text = reasons[reason] ?? `The session has ended (${reason}).`;
  note(reason == 'logout' ? 'session' : 'refused', 'Signed out', text);
  $('#reason').textContent = text;
  $('#reason').hidden = reason == 'logout';
});

// ---- what the page shows

const render = async (now) => {
  known = now;
  const session = known.end ? undefined : known.session;
  if ((session ?? null) === shown) return;
  const first = shown === undefined;
  shown = session ?? null;
  if (!session) return showSignedOut();
  showSignedIn();
  if (first) note('session', 'Found a session in this browser');
  await noteRefreshToken();
  await call('GET /api/me');
  listSoon();
};
let soon;
const listSoon = () => {
  clearTimeout(soon);
  soon = setTimeout(listSessions, 100);
};
addEventListener('bound', () => listSoon());
const listSessions = async () => {
  if (!shown) return;
  const response = await auth.fetch('/auth/sessions').catch(() => undefined);
  // What was there stays on the screen; the timeline says that nothing was sent, or what was refused.
  if (!response?.ok) return;
  const { sessions } = await response.json();
  ends = sessions.find((session) => session.current)?.expires_at;
  showSessions(sessions, endSession);
};
const endSession = async (id) => {
  if (id == shown) return auth.logout();
  await auth.fetch(`/auth/sessions${id == 'others' ? '?keep=current' : `/${id}`}`, { method: 'DELETE' }).catch(() => {});
  await listSessions();
};
setInterval(() => {
  if (!shown) return;
  showTokens(known, transport, ends);
  showSpent(known.graceMs);
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
  const { username, password, remember, transport } = form.elements;
  const button = form.querySelector('.primary');
  const error = $('#login-error');
  error.hidden = true;
  button.disabled = true;
  try {
    choose(transport.value);
    await auth.login({ username: username.value, password: password.value, remember: remember.checked });
    username.value = password.value = '';
    note('session', 'Logged in');
  } catch (failure) {
    error.textContent = refusal(failure);
    error.hidden = false;
  }
  button.disabled = false;
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
  const missing = /scope="([^"]*)"/.exec(response.status == 403 && response.headers.get('www-authenticate'))?.[1];
  $('#explained').textContent = missing && `Not allowed for ${$('#step-up-form').elements.username.value}: the session lacks the scope ${missing}.`;
  $('#explained').hidden = !missing;
  if (path == '/api/me' && response.ok) {
    showStatus(json);
    $('#step-up-form').elements.username.value = json.sub;
  }
  // A session cookie without `remember` went when the browser was closed, and the record did not.
  if (json.error == 'unauthorized' && transport == 'session') await auth.logout();
  if (json.error == 'insufficient_user_authentication') stepUp(() => call(name));
};
for (const button of document.querySelectorAll('[data-call]'))
  button.onclick = async () => {
    await call(button.dataset.call);
    // The use of a session cookie moves its deadline.
    if (transport == 'session') listSoon();
  };

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
  stepsUp = true;
  try {
    await auth.stepUp({ password: password.value });
    password.value = '';
    $('#step-up').close();
    note('session', 'Authenticated again', 'The same session, renewed at once; what was older is refused from now on.');
    afterStepUp();
  } catch (failure) {
    $('#step-up-error').textContent = failure.status == 401 ? 'Wrong password.' : 'That did not work.';
    $('#step-up-error').hidden = false;
  } finally {
    stepsUp = false;
  }
};

$('#tab-number').textContent = `tab ${tab}`;
start();
