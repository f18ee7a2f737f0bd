package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"tandem/lab/house"
	labnet "tandem/lab/net"
)

// rival is one way from the LAN to the servers. Each serves a LAN host of its
// own, so that all can stand ready in the same house while one is measured.
type rival struct {
	name    string
	source  string // the LAN host whose connections it carries
	version string
	// program on the router and on the concentrator's host; none for plain
	// routing.
	ends []end
}

// end is one running program.
type end struct{ pid int }

func pids(r *rival) (list []int) {
	for _, e := range r.ends {
		list = append(list, e.pid)
	}
	return list
}

// field is a house with all rivals that could be had.
type field struct {
	*house.House
	rivals []*rival
	absent []string // those that could not, and why

	started []*exec.Cmd
	load    *load
}

// withField runs f among all rivals.
func withField(ctx context.Context, o Options, spec labnet.Spec, f func(*field) error) (err error) {
	var bypass strings.Builder
	bypass.WriteString("config bypass\n")
	for _, p := range peers {
		fmt.Fprintf(&bypass, "\tlist host '%s'\n", p.source)
	}
	h, err := house.Build(ctx, house.Options{Spec: spec, Binaries: o.Binaries, CPESections: bypass.String(), CPE: "\toption max_flows '20000'\n"})
	fl := &field{House: h}
	if h != nil {
		defer func() { err = errors.Join(err, fl.stop(), h.Close()) }()
	}
	if err != nil {
		return err
	}
	if fl.load, err = newLoad(h); err != nil {
		return err
	}
	fl.rivals = []*rival{
		{name: plain, source: house.Direct4},
		{name: "Tandem", source: tandemSource, ends: []end{{h.CPE.PID()}, {h.Concentrator.PID()}}},
	}
	if err := fl.routePeers(ctx); err != nil {
		return err
	}
	for _, p := range peers {
		if !o.wants(p.name) {
			continue
		}
		o.Say("starting " + p.name)
		r, err := fl.start(ctx, o, p)
		if err != nil {
			fl.absent = append(fl.absent, fmt.Sprintf("%s: %v", p.name, err))
			continue
		}
		fl.rivals = append(fl.rivals, r)
	}
	fl.rivals = slices.DeleteFunc(fl.rivals, func(r *rival) bool { return !o.wants(r.name) })
	return f(fl)
}

// wants tells whether a rival is to be measured.
func (o Options) wants(name string) bool {
	return len(o.Rivals) == 0 || slices.Contains(o.Rivals, name)
}

// plain is the lines without anything: the limit.
const plain = "plain routing"

// tandemSource is the LAN host that Tandem serves.
const tandemSource = "192.0.2.10"

// routePeers gives each peer the connections of its LAN host, by TPROXY as
// Tandem takes its own.
func (f *field) routePeers(ctx context.Context) error {
	var rules strings.Builder
	rules.WriteString("table ip tandem-bench {\n\tchain intercept {\n\t\ttype filter hook prerouting priority mangle;\n")
	for _, p := range peers {
		fmt.Fprintf(&rules, "\t\tiifname \"lan\" ip saddr %s meta l4proto tcp tproxy to :%d meta mark set 0x550000 accept\n", p.source, p.port)
	}
	rules.WriteString("\t}\n}\n")
	cpe := f.Host("cpe")
	nft := cpe.Command(ctx, "nft", "-f", "-")
	nft.Stdin = strings.NewReader(rules.String())
	if out, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	for _, args := range [][]string{
		{"rule", "add", "fwmark", "0x550000", "lookup", "550", "priority", "900"},
		{"route", "add", "local", "default", "dev", "lo", "table", "550"},
	} {
		if _, err := cpe.Run(ctx, "ip", args...); err != nil {
			return err
		}
	}
	return nil
}

// start starts both ends of a peer and waits until a byte goes through.
func (f *field) start(ctx context.Context, o Options, p peer) (*rival, error) {
	version, err := p.find(ctx, o)
	if err != nil {
		return nil, err
	}
	r := &rival{name: p.name, source: p.source, version: version}
	var logs [2]bytes.Buffer
	for i, host := range []*labnet.Host{f.Host("cpe"), f.Host("core")} {
		var files []string
		for name, text := range p.files(i) {
			file := filepath.Join(f.Dir, name)
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				return nil, err
			}
			files = append(files, file)
		}
		args := p.command(i, o, files)
		cmd := host.Command(context.WithoutCancel(ctx), args[0], args[1:]...)
		cmd.Stdout, cmd.Stderr = &logs[i], &logs[i]
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		f.started = append(f.started, cmd)
		r.ends = append(r.ends, end{cmd.Process.Pid})
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		if err = oneByte(ctx, f.House, p.source); err == nil {
			return r, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("does not carry a connection: %w; the router's end said %q", err, logs[0].String())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (f *field) stop() error {
	for _, cmd := range f.started {
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
	}
	if f.load != nil {
		f.load.close()
	}
	return nil
}

// notes says which versions were compared, and who is absent.
func (f *field) notes() string {
	var b strings.Builder
	for _, r := range f.rivals {
		if r.version != "" {
			fmt.Fprintf(&b, "%s is %s. ", r.name, r.version)
		}
	}
	for _, a := range f.absent {
		fmt.Fprintf(&b, "Absent: %s. ", a)
	}
	return b.String()
}

// dial opens a connection through a rival.
func (f *field) dial(ctx context.Context, r *rival, port int) (*net.TCPConn, error) {
	c, err := f.DialFrom(ctx, r.source, house.Server4, port)
	if err != nil {
		return nil, fmt.Errorf("through %s: %w", r.name, err)
	}
	return c, nil
}
