// The client of the chosen transport. A login chooses for every tab.
import { createAuth } from './auth.js';
import { send } from './network.js';

const CHOICE = 'hallpass-demo-transport';
const handlers = [];

/** `header`, `cookie` or `session`. */
export let transport;
/** The client in use; another one after another choice. */
export let auth;

/** Where the client keeps its record. */
export const key = () => `demo-${transport}`;

/** Handles an event of the client in use, after each change too; `transport` is raised at each choice. */
export const on = (name, handler) => handlers.push([name, handler]);

const connect = (wanted) => {
  auth?.dispose();
  transport = ['header', 'session'].includes(wanted) ? wanted : 'cookie';
  auth = createAuth({ transport, key: key(), fetch: send });
  for (const [name, handler] of handlers) name == 'transport' ? handler(transport) : auth.on(name, handler);
};

export const choose = (wanted) => {
  if (wanted == transport) return;
  connect(wanted);
  localStorage.setItem(CHOICE, wanted);
};

/** Uses the last choice of this browser. Call it after all handlers are set. */
export const start = () => {
  connect(localStorage.getItem(CHOICE));
  addEventListener('storage', (event) => event.key == CHOICE && connect(event.newValue));
};
