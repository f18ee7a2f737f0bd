package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tandem/concentrator/archive"
	"tandem/concentrator/config"
	"tandem/shared/control"
)

// backup writes an archive to standard output. It may run beside the daemon.
func backup(o options, stdout io.Writer) error {
	if present(stdout) != nil {
		return errors.New("the backup holds keys and is no text: send it to a file, as in: umask 077; tandem-concentrator backup > FILE")
	}
	cfg, err := config.Load(o.configFile)
	if err != nil {
		return err
	}
	c := archive.Content{}
	if c[archive.ConfigName], err = os.ReadFile(o.configFile); err != nil {
		return err
	}
	if err := c.Collect(cfg.State); err != nil {
		return err
	}
	return archive.Write(stdout, c)
}

// restore takes an archive over: configuration and clients become what they
// were. Nothing is touched unless all of it is valid.
func restore(o options, stdin io.Reader, stdout io.Writer) error {
	c, err := archive.Read(stdin)
	if err != nil {
		return err
	}
	candidate := filepath.Join(filepath.Dir(o.configFile), "."+filepath.Base(o.configFile)+".restored")
	if err := os.WriteFile(candidate, c[archive.ConfigName], 0o644); err != nil {
		return err
	}
	defer os.Remove(candidate)
	cfg, err := config.Load(candidate)
	if err != nil {
		return fmt.Errorf("configuration in the backup: %w", err)
	}
	if err := c.Restore(cfg.State); err != nil {
		return err
	}
	if err := os.Rename(candidate, o.configFile); err != nil {
		return err
	}
	_, err = control.Call(cfg.Control, "reload-clients")
	if err == nil {
		fmt.Fprintln(stdout, "Clients are in force. The configuration is at: systemctl restart tandem-concentrator")
		return nil
	}
	if errors.Is(err, control.ErrNotRunning) {
		fmt.Fprintln(stdout, "Restored; the daemon takes it when it starts.")
		return nil
	}
	return err
}
