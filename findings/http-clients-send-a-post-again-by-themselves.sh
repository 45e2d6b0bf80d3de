#!/usr/bin/env bash
# Java's HttpURLConnection and Ruby's httpclient send a POST again by themselves if no answer came
#
# Versions: Debian 12: OpenJDK 17.0.15, ruby-httpclient 2.8.3 (with Ruby 3.1), Go 1.19, libwww-perl 6.68. Not so: java.net.http,
# Ruby's Net::HTTP, Go's net/http, LWP, and fetch of Node 20.
#
# A server takes a POST, does what it says and loses the connection before it answers. RFC 9110, section 9.2.2, tells a client
# not to send such a request again by itself, since POST is not idempotent. These two do: the server gets it twice, also on a
# fresh connection, and the program is told of neither. The one that comes second is answered, and the call succeeds.
#
# Why it matters: what may be done once only (a payment, a refresh token that is replaced when it is used) is done twice by a
# program that asked once. A server has to know the second of two equal requests, or call an honest client a thief.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for program in java ruby go perl node; do command -v $program >/dev/null || { echo "$program is missing"; exit 2; }; done
cat >Old.java <<'X'
class Old {
    public static void main(String[] given) throws Exception {
        var connection = (java.net.HttpURLConnection) new java.net.URL(given[0]).openConnection();
        connection.setDoOutput(true);
        connection.getOutputStream().write("a=b".getBytes());
        System.out.print(connection.getResponseCode());
    }
}
X
cat >New.java <<'X'
import java.net.http.*;

class New {
    public static void main(String[] given) throws Exception {
        var request = HttpRequest.newBuilder(java.net.URI.create(given[0])).POST(HttpRequest.BodyPublishers.ofString("a=b")).build();
        System.out.print(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.discarding()).statusCode());
    }
}
X
cat >one.go <<'X'
package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
)

func main() {
	answer, err := http.PostForm(os.Args[1], url.Values{"a": {"b"}})
	if err != nil {
		os.Exit(1)
	}
	fmt.Print(answer.StatusCode)
}
X
cat >look.mjs <<'X'
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';

let count = 0;
// The first request of each program is taken, and its connection closed.
const server = createServer((request, response) => {
  request.resume().on('end', () => ((count += 1) == 1 ? request.socket.destroy() : response.end('done')));
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${server.address().port}/`;
const CLIENTS = {
  'Java, HttpURLConnection': ['java', 'Old.java', url],
  'Ruby, httpclient': ['ruby', '-W0', '-r', 'httpclient', '-e', 'print HTTPClient.new.post(ARGV[0], "a=b").status', url],
  'Java, java.net.http': ['java', 'New.java', url],
  'Ruby, Net::HTTP': ['ruby', '-r', 'net/http', '-e', 'print Net::HTTP.post(URI(ARGV[0]), "a=b").code', url],
  'Go, net/http': ['go', 'run', 'one.go', url],
  'Perl, LWP': ['perl', '-MLWP::UserAgent', '-e', 'my $a = LWP::UserAgent->new->post($ARGV[0], { a => "b" }); print $a->code if $a->is_success', url],
  'Node, fetch': ['node', '-e', 'fetch(process.argv[1], { method: "POST", body: "a=b" }).then((answer) => console.log(answer.status))', url],
};
const twice = ['Java, HttpURLConnection', 'Ruby, httpclient'];
let same = true;
for (const [name, [command, ...parameters]] of Object.entries(CLIENTS)) {
  count = 0;
  const child = spawn(command, parameters, { stdio: ['ignore', 'pipe', 'ignore'] });
  let status = '';
  child.stdout.on('data', (text) => (status += text));
  await once(child, 'close');
  console.log(`${name}: the server got ${count}, the program ${status.trim() || 'an error'}`);
  same &&= twice.includes(name) ? count == 2 && status.trim() == '200' : count == 1 && status.trim() == '';
}
console.log(same ? 'as described' : 'CHANGED');
process.exit(same ? 0 : 1);
X
node look.mjs
