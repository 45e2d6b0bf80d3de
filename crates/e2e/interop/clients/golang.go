// Renews one token with x/oauth2: golang NAME ENDPOINT TOKEN.
package main

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/oauth2"
)

func main() {
	config := oauth2.Config{ClientID: "app", Endpoint: oauth2.Endpoint{TokenURL: os.Args[2]}}
	if os.Args[1] == "AuthStyleInParams" {
		config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	}
	source := config.TokenSource(context.Background(), &oauth2.Token{RefreshToken: os.Args[3]})
	if _, err := source.Token(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
