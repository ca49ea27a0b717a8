package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/suite"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
)

// remote is how a command reaches a running suite, and as whom.
type remote struct {
	URL   string `help:"Address of the suite." default:"http://127.0.0.1:7070" name:"url"`
	Token string `help:"Token to act with; without it, one is signed with the key in the data folder." env:"STRATA_TOKEN" placeholder:"TOKEN"`
	Data  string `help:"Data folder of the local suite, for its sign-in key." default:"./.strata" placeholder:"DIR"`
}

func (r remote) client(t terminal, roles ...signin.Role) (*client.Client, error) {
	return r.person(t, suite.Operator, roles...)
}

// someone is as whom a command is given, where it matters: a token says it itself.
type someone struct {
	As string `help:"Who does it, by function: executive-1 if not given, but whoever approves must be named. Not together with a token, which says who acts." placeholder:"EXECUTIVE"`
}

// subject returns who acts without a token; fault.Invalid if there is one and another person is named beside it.
func (s someone) subject(token string) (string, error) {
	if token != "" && s.As != "" {
		return "", fault.New(fault.Invalid, fault.BadRequest,
			"--as %s and a token (--token or STRATA_TOKEN) are given: the token says who acts, so leave one of them out", s.As)
	}
	return cmp.Or(s.As, "executive-1"), nil
}

// executive is client for a command of which it matters which executive gave it.
func (r remote) executive(t terminal, who someone) (*client.Client, error) {
	subject, err := who.subject(r.Token)
	if err != nil {
		return nil, err
	}
	return r.person(t, subject, signin.Executive)
}

func (r remote) person(t terminal, subject string, roles ...signin.Role) (*client.Client, error) {
	token := r.Token
	if token == "" {
		if _, err := os.Stat(filepath.Join(r.Data, "signin")); err != nil {
			return nil, fault.New(fault.Invalid, fault.NotSignedIn,
				"%s is not the data folder of a suite: name it with --data, or give a token with --token or STRATA_TOKEN", r.Data)
		}
		issuer, err := suite.Issuer(r.Data, t.now)
		if err != nil {
			return nil, err
		}
		if token, err = issuer.Token(subject, roles, time.Hour); err != nil {
			return nil, err
		}
	}
	return client.New(r.URL, token)
}

type linkCommand struct {
	remote
	Role    string `arg:"" help:"executive, manager, steward or collector." enum:"executive,manager,steward,collector"`
	Subject string `arg:"" optional:"" help:"Who it is for, by function; the same subject is the same person."`
}

// Run makes a link.
func (c *linkCommand) Run(ctx context.Context, t terminal) error {
	cl, err := c.client(t)
	if err != nil {
		return err
	}
	if c.Subject == "" {
		c.Subject = c.Role + "-1"
	}
	var out struct{ Code string }
	err = cl.Post(ctx, "/signin/links", map[string]any{"subject": c.Subject, "roles": []string{c.Role}}, &out)
	if client.Status(err) == http.StatusNotFound {
		return fault.New(fault.Invalid, fault.BadRequest, "%s is not a local suite: its people sign in elsewhere", c.URL)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.out, "%s/signin?code=%s\nIt works once, within 24 h, for %s (%s).\n", strings.TrimSuffix(c.URL, "/"), out.Code, c.Subject, c.Role)
	return err
}
