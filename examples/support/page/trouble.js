// The buttons for faults: early renewals, lost answers, no network, and a thief.
import { auth, key, on, transport } from './client.js';
import { faults, send } from './network.js';
import { record } from './record.js';
import { note } from './timeline.js';
import { showReplay } from './view.js';

const $ = (selector) => document.querySelector(selector);

/** The refresh token in use, and the oldest that this tab has seen, with when it saw its successor. */
let current;
let spent;

on('transport', () => (current = spent = undefined));
on('signedOut', () => (current = spent = undefined));

/** Takes note of the refresh token in use; says whether it is another than before. */
export const noteRefreshToken = async () => {
  const asked = key();
  const { refresh } = await record();
  if (!refresh || asked != key()) return false;
  const changed = !!current && refresh != current;
  if (changed) spent ??= { token: current, at: Date.now() };
  current = refresh;
  return changed;
};

export const showSpent = (graceMs) => showReplay(transport, spent, graceMs);

$('#renew').onclick = async () => {
  const { access } = await record();
  await auth.getToken(access).catch(() => {});
};

const press = (button, on) => button.setAttribute('aria-pressed', on);

$('#offline').onclick = ({ currentTarget }) => {
  faults.offline = !faults.offline;
  press(currentTarget, faults.offline);
  currentTarget.querySelector('b').textContent = faults.offline ? 'Go online again' : 'Go offline';
  note('fault', faults.offline ? 'This tab is offline' : 'This tab is online again');
  if (!faults.offline) dispatchEvent(new Event('online'));
};

$('#drop').onclick = ({ currentTarget }) => {
  faults.dropNext = !faults.dropNext;
  press(currentTarget, faults.dropNext);
  if (faults.dropNext) note('fault', 'The next renewal will get no answer', 'Renew now to see it, or wait for it.');
};
addEventListener('faults', () => press($('#drop'), faults.dropNext));

$('#replay').onclick = async () => {
  const response = await send('/auth/refresh', {
    method: 'POST',
    body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: spent.token }),
    credentials: 'omit',
  }).catch(() => undefined);
  if (!response) return;
  const { reason, refresh_token } = await response.json().catch(() => ({}));
  if (response.ok)
    note(
      'race',
      'The old token was taken for a lost answer',
      refresh_token == current
        ? 'The server gave the same successor again: no second branch, and nothing won.'
        : 'The server gave a token that this tab has not seen: another tab renewed meanwhile.',
    );
  else {
    note('refused', 'The old token was caught', reason == 'reused' ? 'Used twice: the server has ended the session.' : reason);
    // The client has not been told; its next renewal will be.
    const { access } = await record();
    await auth.getToken(access).catch(() => {});
  }
};
