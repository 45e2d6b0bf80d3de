#!/usr/bin/env bash
# The Cluster client of redis-rs runs a script a second time if the answer to the first was lost
#
# Versions: redis 1.8.1 (Rust crate), Redis 7.0.15 of Debian 12, Rust 1.95, Node 20.
#
# A connection breaks after Redis has run a command and before its answer has come. A client for one address reports an error,
# and the program decides. The Cluster client connects again and sends the command again by itself, whatever it is, and returns
# the second answer as if it were the only one: a script that adds 1 to a number has added 2, and the program is told "2" without
# an error. `retries(0)` on its builder stops that, and with it what is harmless: following a redirect to another node.
#
# Why it matters: code that is right at one Redis ("an error means: unknown, look") is wrong at a Cluster. Whatever must not be
# done twice has to carry an identity of its own in the script, or be sent by a client that does not repeat.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for program in redis-server cargo node; do command -v $program >/dev/null || { echo "$program is missing"; exit 2; }; done
mkdir src
cat >Cargo.toml <<'X'
[package]
name = "look"
version = "0.0.0"
edition = "2024"

[dependencies]
redis = { version = "=1.8.1", default-features = false, features = ["cluster"] }

[profile.dev]
debug = false
X
cat >src/main.rs <<'X'
use redis::cluster::ClusterClientBuilder;

fn main() -> redis::RedisResult<()> {
    let url = std::env::args().nth(1).unwrap_or_default();
    let kind = std::env::args().nth(2).unwrap_or_default();
    let mut add = redis::cmd("EVAL");
    add.arg("return redis.call('INCR', KEYS[1])").arg(1).arg(&kind);
    let added: redis::RedisResult<i64> = match kind.as_str() {
        "cluster" => add.query(&mut ClusterClientBuilder::new([url]).build()?.get_connection()?),
        "cluster-without-retries" => add.query(&mut ClusterClientBuilder::new([url]).retries(0).build()?.get_connection()?),
        _ => add.query(&mut redis::Client::open(url)?.get_connection()?),
    };
    match added {
        Ok(sum) => println!("{sum}"),
        Err(_) => println!("an error"),
    }
    Ok(())
}
X
cargo build --quiet
cat >look.mjs <<'X'
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const free = createServer().listen(0, '127.0.0.1');
await once(free, 'listening');
const port = free.address().port;
await new Promise((done) => free.close(done));

// Loses the first answer to a script.
let lost = false;
const proxy = createServer((client) => {
  const server = connect(port, '127.0.0.1');
  let script = false;
  client.on('data', (data) => ((script ||= data.includes('EVAL')), server.write(data)));
  server.on('data', (data) => {
    if (!script || lost) return client.write(data);
    lost = true;
    client.destroy();
    server.destroy();
  });
  for (const [one, other] of [[client, server], [server, client]]) one.on('error', () => {}).on('close', () => other.destroy());
}).listen(0, '127.0.0.1');
await once(proxy, 'listening');

// A Cluster of one node, which tells its clients to come through the proxy.
const flags = ['--port', port, '--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1', '--cluster-announce-port', proxy.address().port, '--save', ''];
const redis = spawn('redis-server', [...flags, '--bind', '127.0.0.1', '--dir', process.cwd()], { stdio: 'ignore' });
const ask = (...command) => execFileSync('redis-cli', ['-p', port, ...command], { encoding: 'utf8' }).trim();
const until = async (wanted) => {
  for (let left = 100; left; left -= 1) {
    try {
      if (wanted()) return;
    } catch {}
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error('Redis did not start');
};
await until(() => ask('PING') == 'PONG');
ask('CLUSTER', 'ADDSLOTSRANGE', 0, 16383);
await until(() => ask('CLUSTER', 'INFO').includes('cluster_state:ok'));

const look = async (kind) => {
  lost = false;
  const child = spawn('target/debug/look', [`redis://127.0.0.1:${proxy.address().port}/`, kind], { stdio: ['ignore', 'pipe', 'inherit'] });
  let told = '';
  child.stdout.on('data', (text) => (told += text));
  await once(child, 'close');
  const sum = ask('GET', kind);
  console.log(`${kind}: the program got ${told.trim()}; Redis has ${sum}; an answer was lost: ${lost}`);
  return `${told.trim()}, ${sum}, ${lost}`;
};
const seen = [await look('one-address'), await look('cluster'), await look('cluster-without-retries')];
redis.kill();
await once(redis, 'close');
const same = seen.join('; ') == 'an error, 1, true; 2, 2, true; an error, 1, true';
console.log(same ? 'as described' : 'CHANGED');
process.exit(same ? 0 : 1);
X
node look.mjs
