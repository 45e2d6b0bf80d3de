// What binds the session to this browser, and a thief who has a copy of its cookies. The page has this part only if the
// server plays the thief (`thief.rs`): no script can read the cookies.
import { auth, on, transport } from './client.js';
import { record } from './record.js';
import { note } from './timeline.js';
import { bar, span } from './view.js';

const $ = (selector) => document.querySelector(selector);
const card = $('#device');

/** What the server said last of this browser, with when its bound cookie ends, in milliseconds of this clock. */
let own;
/** When the bound cookie in the copy ends, and what came of using it. */
let copy;

/** How much longer a bound cookie is accepted than browsers keep it, in milliseconds. */
const MARGIN = 60e3;

const ends = (seconds) => (seconds == null ? undefined : Date.now() + seconds * 1e3);

const ask = async (path, command) => {
  const init = { method: 'POST', body: JSON.stringify({ do: command }), headers: { 'content-type': 'application/json' } };
  const response = await auth.fetch(path, command && init).catch(() => undefined);
  return response?.ok ? response.json() : undefined;
};

const sentence = ({ request, status, error }, accepted) =>
  `${request} → ${status}${error ? ` ${error}` : ''}: ${status < 400 ? accepted : 'refused.'}`;

/** Shows what is known, each half second. */
const show = () => {
  $('#thief').disabled = !own || (!own.ends && !!own.binding);
  if (card.hidden || !own) return;
  const left = own.ends ? own.ends - Date.now() : 0;
  bar('bound', left, own.lifetime * 1e3 + MARGIN);
  if (!own.ends) $('#bound-left').textContent = '';
  $('#bound-name').textContent = own.binding ? 'Bound to this browser' : 'Not bound to this browser';
  $('#bound-hint').textContent = own.binding
    ? `The session's cookie counts only beside a bound cookie, which lives ${span(own.lifetime * 1e3)} and is accepted for one more. This browser gets the next one with a signature of its key.`
    : 'This browser has used no key for the session. If it cannot do that, it is served as everywhere: a copy of the cookies works until the session ends.';
  $('#thief-story').hidden = !copy;
  if (!copy) return;
  const rest = copy.ends && copy.ends - Date.now();
  const { use, renewal } = copy.tried ?? {};
  $('#thief-left').textContent = !copy.ends
    ? 'The thief has a copy of all cookies.'
    : rest > 0
      ? `The thief has a copy of all cookies. The bound one in it is good for ${span(rest)}.`
      : 'The bound cookie of the copy has ended.';
  $('#thief-use').textContent = use ? sentence(use, 'accepted, as long as the bound cookie of the copy is good.') : '';
  $('#thief-renewal').textContent = renewal ? `${sentence(renewal, 'accepted.')} Only this browser's key gets a new one.` : '';
  $('#thief-use').className = !use || use.status < 400 ? 'race' : 'refused';
};

/** Asks what binds the session now. */
const look = async () => {
  if (!card || card.hidden) return;
  const answer = await ask('/demo/device');
  if (!answer) return;
  if (answer.binding && !own?.binding) {
    if (own) note('session', 'Bound to this browser', 'It has registered a key and used it.');
    // The list of sessions, which may be older, says so too.
    dispatchEvent(new Event('bound'));
  }
  own = { ...answer, ends: ends(answer.good_for) };
  show();
};

const tryCopy = async () => {
  const tried = await ask('/demo/thief', 'try');
  if (!tried || !copy) return;
  const before = copy.tried?.use.status;
  copy = { ...copy, ends: ends(tried.good_for) ?? copy.ends, tried };
  show();
  const { status } = tried.use;
  if (status != before && status < 400)
    note('race', 'A thief uses your session', own?.required ? 'Its requests look like yours, as long as the bound cookie of the copy is good.' : 'The server only reports it (--binding observe).');
  if (status != before && status == 401)
    note('refused', 'The copy is worthless', 'The thief is refused, and cannot renew. You are still logged in.');
  // It has bought the next refresh token. This browser gets the same one, as after a lost answer.
  if (transport == 'cookie' && status < 400) {
    const { access } = await record();
    await auth.getToken(access).catch(() => {});
  }
};

/** A session cookie can be used again and again. A refresh token would be used up behind the browser's back. */
const isDue = () => {
  const { use } = copy.tried ?? {};
  if (copy.trying || use?.status == 401) return false;
  const since = Date.now() - (copy.triedAt ?? 0);
  const isOver = !!copy.ends && Date.now() > copy.ends + 1e3;
  return isOver ? since > 5e3 : transport == 'session' && since > 10e3;
};

if (card) {
  on('transport', () => (own = copy = undefined));
  on('signedOut', () => (own = copy = undefined));
  $('#thief').onclick = async () => {
    const stolen = await ask('/demo/thief', 'copy');
    if (!stolen) return;
    copy = { ends: ends(stolen.good_for) };
    note('fault', 'All cookies were copied', `${stolen.cookies.join(', ')}: everything that this browser has sent, and not its key.`);
    await attempt();
  };
  const attempt = async () => {
    copy.triedAt = Date.now();
    copy.trying = true;
    await tryCopy();
    if (copy) copy.trying = false;
  };
  let looked = 0;
  setInterval(async () => {
    show();
    if (card.hidden || $('#in').hidden) return;
    // Soon after the login the browser registers, and uses its key beside the next request.
    const pause = own?.binding ? 15e3 : 3e3;
    if (Date.now() - looked > pause) {
      looked = Date.now();
      await look();
    }
    if (copy && isDue()) await attempt();
  }, 500);
}
