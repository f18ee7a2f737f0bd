package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// cloud asks the metadata service of the cloud that this VM's firmware names.
// ok is false where it names none we know.
func cloud(ctx context.Context, dmi string) (w wish, ok bool) {
	for _, p := range providers {
		if p.here(dmi) {
			s := service{base: p.base, header: http.Header{}}
			w, err := p.read(ctx, s)
			w.source = p.name
			if err != nil {
				w.complain(err.Error())
			}
			return w, true
		}
	}
	return wish{}, false
}

type provider struct {
	name string
	here func(dmi string) bool
	base string
	read func(context.Context, service) (wish, error)
}

// linkLocal is where EC2 and OpenStack have their metadata service.
const linkLocal = "http://169.254.169.254"

var providers = []provider{
	{"GCE", dmiSays("product_name", "Google Compute Engine"), linkLocal, gce},
	{"OpenStack", dmiSays("product_name", "OpenStack"), linkLocal, openStack},
	{"EC2", func(dmi string) bool {
		return dmiSays("sys_vendor", "Amazon EC2")(dmi) || dmiSays("bios_vendor", "Amazon EC2")(dmi)
	}, linkLocal, ec2},
}

func dmiSays(name, want string) func(string) bool {
	return func(dmi string) bool {
		text, err := os.ReadFile(filepath.Join(dmi, name))
		return err == nil && strings.HasPrefix(string(text), want)
	}
}

// service is a metadata service.
type service struct {
	base   string
	header http.Header
}

var errAbsent = errors.New("not there")

// get returns a document. One that is not there is errAbsent; while nothing
// answers at all it asks again until ctx ends, for the network may be late.
func (s service) get(ctx context.Context, path string) (string, error) {
	return s.do(ctx, http.MethodGet, path, s.header)
}

func (s service) do(ctx context.Context, method, path string, header http.Header) (string, error) {
	for {
		text, err := s.once(ctx, method, path, header)
		if err == nil || errors.Is(err, errAbsent) {
			return text, err
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("%s: %w", path, err)
		case <-time.After(time.Second):
		}
	}
}

func (s service) once(ctx context.Context, method, path string, header http.Header) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, nil)
	if err != nil {
		return "", err
	}
	req.Header = header
	// No proxy, no redirect: it is the next hop or nobody.
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxUserData))
	switch {
	case err != nil:
		return "", err
	case resp.StatusCode >= 500:
		return "", errors.New(resp.Status)
	case resp.StatusCode != http.StatusOK:
		return "", errAbsent
	}
	return string(body), nil
}

// optional is get without an error for what is not there.
func (s service) optional(ctx context.Context, path string) (string, error) {
	text, err := s.get(ctx, path)
	if errors.Is(err, errAbsent) {
		err = nil
	}
	return text, err
}

func ec2(ctx context.Context, s service) (wish, error) {
	// Version 2 of the service: a token first.
	token, err := s.do(ctx, http.MethodPut, "/latest/api/token", http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"300"}})
	if err != nil && !errors.Is(err, errAbsent) {
		return wish{}, err
	}
	s.header.Set("X-Aws-Ec2-Metadata-Token", token)
	return s.read(ctx, "EC2", map[string]string{
		"user-data": "/latest/user-data", "hostname": "/latest/meta-data/local-hostname",
		"keys": "/latest/meta-data/public-keys/0/openssh-key", "public": "/latest/meta-data/public-ipv4",
	})
}

func gce(ctx context.Context, s service) (wish, error) {
	s.header.Set("Metadata-Flavor", "Google")
	const base = "/computeMetadata/v1/instance/"
	w, err := s.read(ctx, "GCE", map[string]string{
		"user-data": base + "attributes/user-data", "hostname": base + "name", "keys": base + "attributes/ssh-keys",
		"public": base + "network-interfaces/0/access-configs/0/external-ip",
	})
	// "user:ssh-ed25519 …": this image has root only.
	for i, k := range w.sshKeys {
		if user, key, found := strings.Cut(k, ":"); found && !strings.Contains(user, " ") {
			w.sshKeys[i] = key
		}
	}
	return w, err
}

func openStack(ctx context.Context, s service) (wish, error) {
	w, err := s.read(ctx, "OpenStack", map[string]string{
		"user-data": "/openstack/latest/user_data", "public": "/latest/meta-data/public-ipv4",
	})
	if err != nil {
		return w, err
	}
	meta, err := s.optional(ctx, "/openstack/latest/meta_data.json")
	openStackMeta(&w, []byte(meta))
	return w, err
}

// read gets the documents that there are.
func (s service) read(ctx context.Context, source string, paths map[string]string) (wish, error) {
	text := map[string]string{}
	for name, path := range paths {
		var err error
		if text[name], err = s.optional(ctx, path); err != nil {
			return wish{source: source}, err
		}
	}
	w := userData(source, []byte(text["user-data"]))
	take(&w.hostname, firstLabel(strings.TrimSpace(text["hostname"])))
	if len(w.sshKeys) == 0 {
		w.sshKeys = lines(text["keys"])
	}
	if public := strings.TrimSpace(text["public"]); public != "" {
		w.public = []string{public}
	}
	return w, nil
}
