// The events of all tabs, the latest first. Entries contain no token.

const LIMIT = 200;
const list = document.querySelector('#entries');
const latest = document.querySelector('#latest');
const channel = new BroadcastChannel('hallpass-demo-timeline');

/** The lowest number that no other open tab has. */
const number = async () => {
  if (!navigator.locks) return Math.ceil(Math.random() * 99);
  for (let n = 1; ; n++) {
    const mine = await new Promise((resolve) =>
      navigator.locks.request(`hallpass-demo-tab-${n}`, { ifAvailable: true }, (lock) => {
        resolve(!!lock);
        // Held as long as the tab lives.
        return lock && new Promise(() => {});
      }),
    );
    if (mine) return n;
  }
};
export const tab = await number();

const element = (name, className, ...content) => {
  const made = document.createElement(name);
  made.className = className;
  made.append(...content);
  return made;
};

const show = ({ at, kind, text, detail, status, ms, from }) => {
  const head = element('p', 'head', element('b', '', text));
  if (status) head.append(element('span', 'code', `${status}`), element('span', 'ms', `${ms}\u00a0ms`));
  const what = element('div', '', head);
  if (detail) what.append(element('small', '', detail));
  const time = element('time', '', new Date(at).toLocaleTimeString('en-GB'));
  if (from != tab) time.append(element('span', 'tab', `tab\u00a0${from}`));
  list.prepend(element('li', kind, time, what));
  while (list.children.length > LIMIT) list.lastChild.remove();
  // Requests that went well come by the dozen.
  if (kind == 'request') return;
  latest.className = kind;
  latest.textContent = status ? `${text} → ${status}` : text;
};

const tell = (entry) => {
  const whole = { ...entry, at: Date.now(), from: tab };
  show(whole);
  channel.postMessage(whole);
};

/** `kind` is `renewal`, `race`, `fault`, `refused` or `session`. */
export const note = (kind, text, detail = '') => tell({ kind, text, detail });

export const noteRequest = (name, status, ms) =>
  tell({ kind: status < 400 ? 'request' : status == 429 || status >= 500 ? 'request fault' : 'request refused', text: name, status, ms });

channel.onmessage = ({ data }) => show(data);
document.querySelector('#clear').onclick = () => list.replaceChildren();
