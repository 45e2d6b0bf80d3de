// What every server answers, and how it tells where it listens.

export const anybody = {
  sub: 'user-00000001',
  session_id: 'AAAAAAAAAAAAAAAAAAAAAAAA',
  scope: 'notes:read notes:write',
  auth_time: 1_700_000_000,
};

// Two lines: where, and either the header that a request must have or `login`, where `POST /login`
// answers with a cookie.
export function announce(port, header) {
  console.log(`http://127.0.0.1:${port}/api/me\n${header}`);
}
