package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tandem/cpe/bugreport"
	"tandem/cpe/config"
	"tandem/shared/control"
	"tandem/shared/durable"
	"tandem/shared/order"
	"tandem/shared/program"
)

// bugReport writes the archive for a bug report. What cannot be had is said in
// its place: the worse a router is off, the more a report is needed.
func bugReport(o options, path string, stdout io.Writer) error {
	now := time.Now()
	s := &bugreport.Scrubber{}
	o.knowSecrets(s)
	a := &bugreport.Archive{Time: now}
	name := "tandem-report-" + now.UTC().Format("20060102-150405")
	add := func(file, text string) { a.Add(name+"/"+file, s.Clean(text)) }

	valid := "configuration is valid"
	if _, _, err := o.load(); err != nil {
		valid = err.Error()
	}
	add("versions.txt", fmt.Sprintf("tandem-cpe %s\n%s\n\n%s\n", version, now.UTC().Format(time.RFC3339), valid)+
		contents("/proc/version", "/proc/uptime", "/proc/loadavg", "/proc/meminfo", "/etc/openwrt_release", "/etc/os-release"))
	text, err := config.ReadText(o.configDir)
	if err != nil {
		text = err.Error()
	}
	a.Add(name+"/config/tandem", s.CleanConfig(text))
	for _, request := range []string{"status", "flows"} {
		answer, err := control.Call(o.control(), request)
		if err != nil {
			answer = []byte(err.Error() + "\n")
		}
		add(request+".json", string(answer))
	}
	add("log.txt", recentLog())
	add("nftables.txt", output("nft list table inet tandem"))
	add("routing.txt", output("ip -4 rule", "ip -6 rule", "ip -4 route show table 5125", "ip -6 route show table 5125",
		"ip -4 route", "ip -6 route", "ip address"))
	add("counters.txt", contents("/proc/net/dev", "/proc/net/netstat", "/proc/net/snmp", "/proc/net/sockstat")+contents(sysctls()...))
	add("mptcp.txt", mptcpState())
	add("quota.txt", contents(filepath.Join(o.stateDir, "quota")))

	packed, _, err := program.Run(context.Background(), a.String(), "gzip", "-c")
	ending := ".tar.gz"
	if err != nil {
		packed, ending = a.String(), ".tar"
	}
	if path == "-" {
		_, err := io.WriteString(stdout, packed)
		return err
	}
	if path == "" {
		path = name + ending
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(packed)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s: keys were removed; addresses of this router, its hosts and the servers they talk to are in it\n", path)
	return nil
}

// knowSecrets reads all there are, those that the configuration does not name
// too. That one cannot be read is fine: then it is nowhere else either, and what
// looks like a secret goes anyway.
func (o options) knowSecrets(s *bugreport.Scrubber) {
	for _, path := range filesIn(o.keysDir) {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for _, word := range strings.Fields(string(text)) {
			if key, err := hex.DecodeString(word); err == nil {
				s.Know(key)
			}
		}
	}
	if cfg, err := config.Load(o.configDir); err == nil {
		for _, c := range cfg.Concentrators {
			s.Know(c.Cookie)
		}
	}
}

// filesIn are the paths of what is in a folder, sorted; none if it cannot be
// read.
func filesIn(folder string) (paths []string) {
	names, err := durable.List(folder)
	if err != nil {
		return nil
	}
	order.Strings(names)
	for _, name := range names {
		paths = append(paths, filepath.Join(folder, name))
	}
	return paths
}

// contents are those of files, each below its name.
func contents(paths ...string) string {
	var b strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			text = []byte(err.Error() + "\n")
		}
		fmt.Fprintf(&b, "== %s\n%s\n", path, text)
	}
	return b.String()
}

func sysctls() []string {
	return append(filesIn("/proc/sys/net/mptcp"), "/proc/sys/net/ipv4/tcp_fastopen", "/proc/sys/net/ipv4/tcp_rmem", "/proc/sys/net/ipv4/tcp_wmem",
		"/proc/sys/net/core/wmem_max", "/proc/sys/net/ipv4/tcp_congestion_control", "/proc/sys/net/ipv4/ip_forward")
}

// commandTime bounds one program.
const commandTime = 10 * time.Second

// output is what programs print, each below its command.
func output(commands ...string) string {
	var b strings.Builder
	for _, command := range commands {
		words := strings.Fields(command)
		ctx, cancel := context.WithTimeout(context.Background(), commandTime)
		text, complaints, err := program.Run(ctx, "", words[0], words[1:]...)
		cancel()
		if err != nil {
			complaints += err.Error() + "\n"
		}
		fmt.Fprintf(&b, "== %s\n%s%s\n", command, text, complaints)
	}
	return b.String()
}

// recentLog is OpenWrt's, or the journal's.
func recentLog() string {
	if _, err := program.Find("logread"); err == nil {
		return output("logread -l 2000 -e tandem")
	}
	return output("journalctl --no-pager -n 2000 -t tandem-cpe -u tandem-cpe")
}
