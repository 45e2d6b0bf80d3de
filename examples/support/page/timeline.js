// What happened in every tab, the latest first. Entries carry no token.

const LIMIT = 200;
const list = document.querySelector('#entries');
const channel = new BroadcastChannel('tokens-example-timeline');
const tab = Math.random().toString(36).slice(2, 4);

const show = ({ at, tone, text, detail, from }) => {
  const entry = document.createElement('li');
  entry.className = tone;
  const time = document.createElement('time');
  time.textContent = new Date(at).toLocaleTimeString('en-GB');
  const what = document.createElement('div');
  if (from) {
    const other = document.createElement('span');
    other.className = 'tab';
    other.textContent = `tab ${from}: `;
    what.append(other);
  }
  what.append(text);
  if (detail) what.append(Object.assign(document.createElement('small'), { textContent: detail }));
  entry.append(time, what);
  list.prepend(entry);
  while (list.children.length > LIMIT) list.lastChild.remove();
};

/** `tone` is `good`, `warn`, `bad` or empty. */
export const note = (tone, text, detail = '') => {
  const entry = { at: Date.now(), tone, text, detail };
  show(entry);
  channel.postMessage({ ...entry, from: tab });
};

channel.onmessage = ({ data }) => show(data);
document.querySelector('#clear').onclick = () => list.replaceChildren();
