package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"tandem/lab/house"
)

// peer is a program that people use for the same job.
type peer struct {
	name   string
	source string // its LAN host
	port   int    // where it takes connections on the router; the other end has port+1000

	// find returns the version, or why it cannot be had.
	find func(context.Context, Options) (version string, err error)
	// files are written for one end (0: router, 1: concentrator's host), by name.
	files func(end int) map[string]string
	// command starts that end.
	command func(end int, o Options, files []string) []string
}

// benchUser is the user of VLESS; no secret.
const benchUser = "6c0e5b51-4f0c-4f5e-9d5e-0f6a7b8c9d0e"

// peers, with the options that make each fast and the comparison fair: MPTCP
// between the ends, no encryption where it can be had, no log.
var peers = []peer{
	{
		name: "Xray VLESS", source: "192.0.2.13", port: 10013,
		find:  func(_ context.Context, o Options) (string, error) { return goProgram(o, "main") },
		files: xrayFiles,
		command: func(_ int, o Options, files []string) []string {
			return []string{filepath.Join(o.Peers, "main"), "run", "-c", files[0]}
		},
	},
	{
		name: "sing-box VLESS", source: "192.0.2.14", port: 10014,
		find:  func(_ context.Context, o Options) (string, error) { return goProgram(o, "sing-box") },
		files: singBoxFiles,
		command: func(_ int, o Options, files []string) []string {
			return []string{filepath.Join(o.Peers, "sing-box"), "run", "-c", files[0]}
		},
	},
	{
		name: "HAProxy", source: "192.0.2.15", port: 10015,
		find:  func(ctx context.Context, _ Options) (string, error) { return packaged(ctx, "haproxy", "mptcpize") },
		files: haproxyFiles,
		command: func(_ int, _ Options, files []string) []string {
			return []string{"mptcpize", "run", "haproxy", "-db", "-f", files[0]}
		},
	},
	{
		name: "shadowsocks-libev", source: "192.0.2.16", port: 10016,
		find: func(ctx context.Context, _ Options) (string, error) {
			return packaged(ctx, "shadowsocks-libev", "mptcpize")
		},
		files: func(int) map[string]string { return nil },
		command: func(end int, _ Options, _ []string) []string {
			common := []string{"-s", house.Concentrator4, "-p", "11016", "-k", "bench", "-m", "aes-128-gcm", "-t", "3600"}
			if end == 0 {
				return append([]string{"mptcpize", "run", "ss-redir", "-T", "-b", "0.0.0.0", "-l", "10016"}, common...)
			}
			return append([]string{"mptcpize", "run", "ss-server"}, common...)
		},
	},
}

// goProgram finds a program that lab/setup-peers built, and which version.
func goProgram(o Options, name string) (string, error) {
	module, err := os.ReadFile(filepath.Join(o.Peers, name+".version"))
	if err == nil {
		_, err = os.Stat(filepath.Join(o.Peers, name))
	}
	if err != nil {
		return "", fmt.Errorf("not built (make bench-peers): %w", err)
	}
	_, version, _ := strings.Cut(strings.TrimSpace(string(module)), "@")
	return version, nil
}

// packaged finds the version of a Debian package; its helpers must be there
// too.
func packaged(ctx context.Context, name string, helpers ...string) (string, error) {
	var versions []string
	for _, p := range append([]string{name}, helpers...) {
		out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", p).Output()
		if err != nil || len(out) == 0 {
			return "", errors.New("Debian package " + p + " is not installed (make bench-peers)")
		}
		versions = append(versions, string(out))
	}
	return versions[0] + ", made MPTCP by mptcpize", nil
}

func xrayFiles(end int) map[string]string {
	if end == 0 {
		return map[string]string{"xray-router.json": fmt.Sprintf(`{"log": {"loglevel": "none"},
"inbounds": [{"listen": "0.0.0.0", "port": 10013, "protocol": "dokodemo-door",
  "settings": {"network": "tcp", "followRedirect": true}, "streamSettings": {"sockopt": {"tproxy": "tproxy"}}}],
"outbounds": [{"protocol": "vless",
  "settings": {"vnext": [{"address": %q, "port": 11013, "users": [{"id": %q, "encryption": "none"}]}]},
  "streamSettings": {"network": "raw", "security": "none", "sockopt": {"tcpMptcp": true}}}]}`, house.Concentrator4, benchUser)}
	}
	return map[string]string{"xray-server.json": fmt.Sprintf(`{"log": {"loglevel": "none"},
"inbounds": [{"listen": %q, "port": 11013, "protocol": "vless",
  "settings": {"clients": [{"id": %q}], "decryption": "none"},
  "streamSettings": {"network": "raw", "security": "none", "sockopt": {"tcpMptcp": true}}}],
"outbounds": [{"protocol": "freedom"}]}`, house.Concentrator4, benchUser)}
}

func singBoxFiles(end int) map[string]string {
	if end == 0 {
		return map[string]string{"singbox-router.json": fmt.Sprintf(`{"log": {"disabled": true},
"inbounds": [{"type": "tproxy", "listen": "0.0.0.0", "listen_port": 10014, "network": "tcp"}],
"outbounds": [{"type": "vless", "server": %q, "server_port": 11014, "uuid": %q, "network": "tcp", "tcp_multi_path": true}]}`, house.Concentrator4, benchUser)}
	}
	return map[string]string{"singbox-server.json": fmt.Sprintf(`{"log": {"disabled": true},
"inbounds": [{"type": "vless", "listen": %q, "listen_port": 11014, "tcp_multi_path": true, "users": [{"name": "house", "uuid": %q}]}],
"outbounds": [{"type": "direct"}]}`, house.Concentrator4, benchUser)}
}

// haproxyFiles has one port per server, since it has no way to name a
// destination.
func haproxyFiles(end int) map[string]string {
	const common = "global\n  maxconn 9900\ndefaults\n  mode tcp\n  timeout connect 10s\n  timeout client 1h\n  timeout server 1h\n"
	if end == 0 {
		return map[string]string{"haproxy-router.cfg": common + fmt.Sprintf(
			"listen house\n  bind *:10015 transparent\n  server vm %s:+11000\n", house.Concentrator4)}
	}
	text := common
	for _, port := range servedPorts {
		text += fmt.Sprintf("listen p%d\n  bind %s:%d\n  server s %s:%d\n", port, house.Concentrator4, 11000+port, house.Server4, port)
	}
	return map[string]string{"haproxy-server.cfg": text}
}
