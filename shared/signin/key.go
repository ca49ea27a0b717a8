package signin

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/strata-crm/strata/shared/fault"
)

const keyFile = "signin.key"

// loadKey reads the private key in dir, or makes one. Two processes that start at once agree on one key, since the
// file appears whole and only where none is.
func loadKey(dir string) (ed25519.PrivateKey, error) {
	path := filepath.Join(dir, keyFile)
	k, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the sign-in key: %w", err)
	}
	if err := writeKey(dir, path); err != nil {
		return nil, fmt.Errorf("write the sign-in key: %w", err)
	}
	return readKey(path)
}

func readKey(path string) (ed25519.PrivateKey, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("look at the sign-in key: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fault.New(fault.Invalid, fault.BadDefinition,
			"the sign-in key %s can be read by other users: run `chmod 600 %s`, or delete it to get a new one (everybody then signs in again)", path, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the sign-in key: %w", err)
	}
	broken := fault.New(fault.Invalid, fault.BadDefinition,
		"the sign-in key %s is damaged: restore it, or delete it to get a new one (everybody then signs in again)", path)
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, broken
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, broken
	}
	ed, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, broken
	}
	return ed, nil
}

// writeKey makes a key and links it to path: linking, unlike renaming, leaves a file that is already there alone.
func writeKey(dir, path string) error {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, keyFile+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // the second name; the key itself stays at path
	err = errors.Join(pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der}), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}
