// The rows of Go: reads servers and their tokens as JSON from standard input, and writes who reads which of them.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/golang-jwt/jwt"
	"gopkg.in/square/go-jose.v2"
	josejwt "gopkg.in/square/go-jose.v2/jwt"
)

type world struct {
	Alg, Issuer, Audience, Token string
	Keys                         json.RawMessage
}

func (w world) set() (keys jose.JSONWebKeySet, err error) {
	err = json.Unmarshal([]byte(fmt.Sprintf(`{"keys":%s}`, w.Keys)), &keys)
	return keys, err
}

// golang-jwt parses no key set: that is usually left to go-jose.
func golangJwt(w world) error {
	keys, err := w.set()
	if err != nil {
		return err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{w.Alg}))
	claims := jwt.MapClaims{}
	_, err = parser.ParseWithClaims(w.Token, claims, func(token *jwt.Token) (interface{}, error) {
		kid, _ := token.Header["kid"].(string)
		for _, key := range keys.Key(kid) {
			return key.Key, nil
		}
		return nil, errors.New("no key")
	})
	if err == nil && !(claims.VerifyIssuer(w.Issuer, true) && claims.VerifyAudience(w.Audience, true)) {
		err = errors.New("the issuer")
	}
	return err
}

func goJose(w world) error {
	keys, err := w.set()
	if err != nil {
		return err
	}
	token, err := josejwt.ParseSigned(w.Token)
	if err != nil {
		return err
	}
	claims := josejwt.Claims{}
	if err := token.Claims(keys, &claims); err != nil {
		return err
	}
	return claims.Validate(josejwt.Expected{Issuer: w.Issuer, Audience: josejwt.Audience{w.Audience}, Time: time.Now()})
}

type row struct {
	Package string `json:"package"`
	Name    string `json:"name"`
	Reads   []bool `json:"reads"`
}

func main() {
	var worlds []world
	if err := json.NewDecoder(os.Stdin).Decode(&worlds); err != nil {
		panic(err)
	}
	rows := []row{
		{Package: "golang-github-golang-jwt-jwt-dev", Name: "golang-jwt"},
		{Package: "golang-gopkg-square-go-jose.v2-dev", Name: "go-jose.v2"},
	}
	for index, verify := range []func(world) error{golangJwt, goJose} {
		for _, world := range worlds {
			err := verify(world)
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s %s: %v\n", rows[index].Name, world.Alg, err)
			}
			rows[index].Reads = append(rows[index].Reads, err == nil)
		}
	}
	json.NewEncoder(os.Stdout).Encode(rows)
}
