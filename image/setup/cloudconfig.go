package main

import (
	"fmt"
	"sort"
	"strings"

	"go.yaml.in/yaml/v3"
)

// configPath is where the concentrator's configuration is, and the one file
// that write_files may write.
const configPath = "/etc/tandem-concentrator/tandem-concentrator.toml"

// cloudConfig reads the keys of "#cloud-config" that concern this appliance.
// Others are complained of, so that nobody believes they were done.
func cloudConfig(w *wish, text string) {
	var c struct {
		Hostname string   `yaml:"hostname"`
		FQDN     string   `yaml:"fqdn"`
		SSHKeys  []string `yaml:"ssh_authorized_keys"`
		Users    []any    `yaml:"users"`
		NTP      struct {
			Servers []string `yaml:"servers"`
			Pools   []string `yaml:"pools"`
		} `yaml:"ntp"`
		WriteFiles []struct {
			Path    string `yaml:"path"`
			Content string `yaml:"content"`
		} `yaml:"write_files"`
		Tandem struct {
			Config       string `yaml:"config"`
			UpdateWindow string `yaml:"update_window"`
		} `yaml:"tandem"`
		Rest map[string]any `yaml:",inline"`
	}
	if err := yaml.Unmarshal([]byte(text), &c); err != nil {
		w.complain(err.Error())
		return
	}
	w.hostname, _, _ = strings.Cut(c.Hostname, ".")
	if w.hostname == "" {
		w.hostname, _, _ = strings.Cut(c.FQDN, ".")
	}
	w.sshKeys = c.SSHKeys
	for _, u := range c.Users {
		// "default", or a user: this image has root only.
		if user, ok := u.(map[string]any); ok {
			keys, _ := user["ssh_authorized_keys"].([]any)
			for _, k := range keys {
				w.sshKeys = append(w.sshKeys, fmt.Sprint(k))
			}
			w.complain(fmt.Sprintf("user %v is not made: the keys are taken for root", user["name"]))
		}
	}
	w.ntp = append(c.NTP.Servers, c.NTP.Pools...)
	w.updateWindow = c.Tandem.UpdateWindow
	w.config = c.Tandem.Config
	for _, f := range c.WriteFiles {
		if f.Path == configPath {
			take(&w.config, f.Content)
		} else {
			w.complain(fmt.Sprintf("write_files: %q is not written; only %q is", f.Path, configPath))
		}
	}
	var unknown []string
	for key := range c.Rest {
		unknown = append(unknown, key)
	}
	sort.Strings(unknown)
	if len(unknown) > 0 {
		w.complain("not done by this image: " + strings.Join(unknown, ", "))
	}
}
