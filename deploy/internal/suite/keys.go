package suite

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
)

const tenant = "main"

// Issuer returns the sign-in of a data folder. Whoever may read the folder's key may sign tokens: the commands that talk
// to a running suite do.
func Issuer(dir string, now func() time.Time) (*signin.Issuer, error) {
	return signin.NewIssuer(signin.Options{Dir: filepath.Join(dir, "signin"), Now: now, Tenant: tenant})
}

// tenantKey returns the key under which customers are recognised, in base64. It is made at the first start.
func tenantKey(dir string) (string, error) {
	name := filepath.Join(dir, "tenant.key")
	text, err := os.ReadFile(name)
	switch {
	case err == nil && len(strings.TrimSpace(string(text))) > 0:
		return strings.TrimSpace(string(text)), nil
	case err == nil:
		return "", fault.New(fault.Invalid, fault.BadDefinition, "%s is empty: restore it from a backup, because customers are recognised under it", name)
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("read the tenant's key: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "made")); err == nil {
		return "", fault.New(fault.Invalid, fault.BadDefinition, "%s is missing: restore it from a backup, because customers are recognised under it", name)
	}
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	key := base64.StdEncoding.EncodeToString(raw)
	if err := writeWhole(name, key+"\n"); err != nil {
		return "", err
	}
	return key, writeWhole(filepath.Join(dir, "made"), "This folder's tenant.key was made; without it its customers cannot be recognised.\n")
}

// writeWhole writes a file that only this user may read, so that after a crash it is there whole or not at all.
func writeWhole(name, text string) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(f.Name()))
	}
	folder, err := os.Open(filepath.Dir(name))
	if err != nil {
		return fmt.Errorf("sync the folder of %s: %w", name, err)
	}
	return errors.Join(folder.Sync(), folder.Close())
}
