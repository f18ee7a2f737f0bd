package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
	"golang.org/x/sys/unix"
)

// seed reads a disk that the hypervisor made for us: NoCloud's (label cidata),
// as libvirt and Proxmox make it, or OpenStack's (label config-2).
func seed() wish {
	for label, read := range map[string]func(dir string) wish{
		"cidata": noCloud, "CIDATA": noCloud, "config-2": configDrive,
	} {
		device := "/dev/disk/by-label/" + label
		if _, err := os.Stat(device); err != nil {
			continue
		}
		w, err := mounted(device, read)
		if err != nil {
			w = wish{source: "seed disk " + label}
			w.complain(err.Error())
		}
		return w
	}
	return wish{}
}

// mounted mounts device for the time that read needs.
func mounted(device string, read func(dir string) wish) (wish, error) {
	dir, err := os.MkdirTemp("/run", "seed-")
	if err != nil {
		return wish{}, err
	}
	defer os.Remove(dir)
	for _, kind := range []string{"iso9660", "vfat"} {
		err = unix.Mount(device, dir, kind, unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
		if err == nil {
			w := read(dir)
			return w, unix.Unmount(dir, 0)
		}
	}
	return wish{}, fmt.Errorf("mount %s: %w", device, err)
}

func noCloud(dir string) wish {
	read := func(name string) []byte {
		text, _ := os.ReadFile(filepath.Join(dir, name)) // those that are not there say nothing
		return text
	}
	w := userData("NoCloud disk", read("user-data"))
	var meta struct {
		Hostname string   `yaml:"local-hostname"`
		Keys     anyNames `yaml:"public-keys"`
	}
	if err := yaml.Unmarshal(read("meta-data"), &meta); err != nil {
		w.complain("meta-data: " + err.Error())
	}
	take(&w.hostname, firstLabel(meta.Hostname))
	if len(w.sshKeys) == 0 {
		w.sshKeys = meta.Keys
	}
	if text := read("network-config"); len(text) > 0 {
		networkConfig(&w, text)
	}
	return w
}

func configDrive(dir string) wish {
	userdata, _ := os.ReadFile(filepath.Join(dir, "openstack/latest/user_data"))
	meta, _ := os.ReadFile(filepath.Join(dir, "openstack/latest/meta_data.json"))
	w := userData("OpenStack disk", userdata)
	openStackMeta(&w, meta)
	return w
}

func openStackMeta(w *wish, text []byte) {
	if len(text) == 0 {
		return
	}
	var meta struct {
		Hostname string            `json:"hostname"`
		Keys     map[string]string `json:"public_keys"`
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		w.complain("meta_data.json: " + err.Error())
		return
	}
	take(&w.hostname, firstLabel(meta.Hostname))
	if len(w.sshKeys) == 0 {
		for _, k := range meta.Keys {
			w.sshKeys = append(w.sshKeys, strings.TrimSpace(k))
		}
	}
}

func firstLabel(name string) string {
	label, _, _ := strings.Cut(name, ".")
	return label
}

// anyNames takes a list of strings, a text of lines, or a map of name to text.
type anyNames []string

func (n *anyNames) UnmarshalYAML(v *yaml.Node) error {
	var list []string
	if v.Decode(&list) == nil {
		*n = list
		return nil
	}
	var text string
	if v.Decode(&text) == nil {
		*n = lines(text)
		return nil
	}
	var named map[string]string
	if err := v.Decode(&named); err != nil {
		return err
	}
	for _, key := range named {
		*n = append(*n, strings.TrimSpace(key))
	}
	return nil
}
