// `/api/me` on express: for anybody (`bare`), or behind express-session on Redis (`session` and the
// URL of Redis).

import { RedisStore } from 'connect-redis';
import express from 'express';
import session from 'express-session';
import { createClient } from 'redis';
import { announce, anybody } from './me.js';

const app = express();
let header = 'Accept: */*';

if (process.argv[2] === 'bare') {
  app.get('/api/me', (_, response) => {
    response.json(anybody);
  });
} else {
  header = 'login';
  const client = createClient({ url: process.argv[3] });
  client.on('error', (error) => {
    console.error(error);
    process.exit(1);
  });
  await client.connect();
  app.use(
    session({
      store: new RedisStore({ client }),
      secret: 'a secret of thirty-two characters',
      resave: false,
      saveUninitialized: false,
    }),
  );
  app.post('/login', (request, response) => {
    request.session.user = anybody;
    response.status(204).end();
  });
  app.get('/api/me', ({ session: { user } }, response) => {
    if (user) {
      response.json(user);
    } else {
      response.status(401).end();
    }
  });
}

const server = app.listen(0, '127.0.0.1', () => {
  announce(server.address().port, header);
});
