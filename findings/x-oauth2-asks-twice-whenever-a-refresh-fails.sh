#!/usr/bin/env bash
# Until a first refresh has succeeded, golang.org/x/oauth2 sends each one that fails twice
#
# Versions: golang.org/x/oauth2 0.3.0 (golang-golang-x-oauth2-dev of Debian 12), Go 1.19.
#
# A client that does not say how it authenticates (`AuthStyleAutoDetect`, the zero value, so all examples) tries HTTP Basic, and
# after *any* failure at once the parameters of the form: also after a 503 with `Retry-After`, and after a connection that was
# lost when the server had already taken the request. What works is remembered for the endpoint, so a process whose first refresh
# succeeds never does it again. With `AuthStyleInParams` one refresh is one request.
#
# Why it matters: refresh tokens that are replaced when they are used are sent again after a lost answer, within a millisecond,
# and a server without a grace calls that theft. And a server that is overloaded gets twice the load from clients that just started.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
[ -d /usr/share/gocode/src/golang.org/x/oauth2 ] || { echo 'golang-golang-x-oauth2-dev is missing'; exit 2; }
cat >look.go <<'GO'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"golang.org/x/oauth2"
)

// How many requests one refresh is, with a server that does this to each.
func count(style oauth2.AuthStyle, answer http.HandlerFunc) (requests int) {
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		requests++
		request.ParseForm()
		answer(writer, request)
	}))
	defer server.Close()
	config := oauth2.Config{ClientID: "app", Endpoint: oauth2.Endpoint{TokenURL: server.URL, AuthStyle: style}}
	config.TokenSource(context.Background(), &oauth2.Token{RefreshToken: "r"}).Token()
	return requests
}

func main() {
	answers := []struct {
		name   string
		answer http.HandlerFunc
		want   int
	}{
		{"a token", func(writer http.ResponseWriter, _ *http.Request) {
			writer.Header().Set("Content-Type", "application/json")
			fmt.Fprint(writer, `{"access_token":"a","token_type":"Bearer","expires_in":300}`)
		}, 1},
		{"503 with Retry-After", func(writer http.ResponseWriter, _ *http.Request) {
			writer.Header().Set("Retry-After", "5")
			writer.WriteHeader(503)
		}, 2},
		{"a lost connection", func(writer http.ResponseWriter, _ *http.Request) {
			connection, _, _ := writer.(http.Hijacker).Hijack()
			connection.Close()
		}, 2},
	}
	same := true
	for _, it := range answers {
		auto, params := count(oauth2.AuthStyleAutoDetect, it.answer), count(oauth2.AuthStyleInParams, it.answer)
		fmt.Printf("%s: %d requests; with AuthStyleInParams %d\n", it.name, auto, params)
		same = same && auto == it.want && params == 1
	}
	if !same {
		fmt.Println("CHANGED")
		os.Exit(1)
	}
	fmt.Println("as described")
}
GO
GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE="$folder/cache" go run look.go
