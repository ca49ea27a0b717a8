package command

import (
	"context"
	"crypto/rand"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// mechanism is the only one offered.
const mechanism = "SCRAM-SHA-256"

// iterations of the key derivation, as MongoDB does for SCRAM-SHA-256.
const iterations = 15000

// Credential is the one user that may log in.
type Credential struct {
	Username string
	server   *scram.Server
}

// NewCredential derives the keys of a user. The password is not kept.
func NewCredential(username, password string) (*Credential, error) {
	client, err := scram.SHA256.NewClient(username, password, "")
	if err != nil {
		return nil, err
	}
	salt := make([]byte, 28)
	if _, err := rand.Read(salt); err != nil {
		return nil, err
	}
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: iterations})
	if err != nil {
		return nil, err
	}
	server, err := scram.SHA256.NewServer(func(user string) (scram.StoredCredentials, error) {
		if user != username {
			return scram.StoredCredentials{}, errAuthentication()
		}
		return stored, nil
	})
	return &Credential{Username: username, server: server}, err
}

func errAuthentication() error {
	return mongoerr.New(mongoerr.AuthenticationFailed, "Authentication failed.")
}

// scramExchange is a login under way on a connection.
type scramExchange struct{ conv *scram.ServerConversation }

func saslStart(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	return r.startExchange(r.body)
}

func (r *request) startExchange(body bson.Raw) (*bsonx.DocBuilder, error) {
	if r.credential == nil {
		return nil, mongoerr.New(334, "this server asks for no authentication: connect without a user")
	}
	if m := string(bsonx.StringBytes(bsonx.Lookup(body, "mechanism"))); m != mechanism {
		return nil, mongoerr.New(334, "Received authentication for mechanism %q which is not enabled; use %s", m, mechanism)
	}
	r.conn.scram = &scramExchange{conv: r.credential.server.NewConversation()}
	return r.step(body)
}

func saslContinue(_ context.Context, r *request) (*bsonx.DocBuilder, error) {
	if r.conn.scram == nil {
		return nil, mongoerr.New(17, "No SASL session state found")
	}
	return r.step(r.body)
}

// step answers one message of the client.
func (r *request) step(body bson.Raw) (*bsonx.DocBuilder, error) {
	payload := bsonx.Lookup(body, "payload")
	if payload.Type != bson.TypeBinary {
		return nil, wrongType("payload", payload, "binData")
	}
	_, data := payload.Binary()
	conv := r.conn.scram.conv
	answer := ""
	if !conv.Done() {
		var err error
		if answer, err = conv.Step(string(data)); err != nil {
			r.conn.scram = nil
			return nil, errAuthentication()
		}
	}
	if conv.Done() && conv.Valid() {
		r.conn.Authenticated = true
	}
	return bsonx.NewDoc(128).Append("conversationId", bsonx.Int32(1)).Append("done", bsonx.Bool(conv.Done())).
		Append("payload", binaryValue(bson.Binary{Data: []byte(answer)})), nil
}

// speculate answers the login that a driver puts into its hello to save a round trip.
func (r *request) speculate(out *bsonx.DocBuilder) error {
	v := bsonx.Lookup(r.body, "speculativeAuthenticate")
	if v.Type != bson.TypeEmbeddedDocument || r.credential == nil || bsonx.IsMissing(bsonx.Lookup(v.Value, "saslStart")) {
		return nil
	}
	reply, err := r.startExchange(v.Value)
	if err == nil { // a failure shows when the driver begins again
		out.Append("speculativeAuthenticate", bsonx.Document(reply.Raw()))
	}
	return nil
}
