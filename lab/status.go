package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	labnet "tandem/lab/net"
)

func status(ctx context.Context, args []string) error {
	fs, name := newFlags("status")
	asJSON := fs.Bool("json", false, "print one JSON object")
	if err := parseOnly(fs, args); err != nil {
		return err
	}
	lab, err := labnet.Attach(*name)
	if err != nil {
		return err
	}
	return show(lab, *asJSON)
}

// report is what status --json prints.
type report struct {
	Name  string            `json:"name"`
	Hosts map[string]string `json:"hosts"` // name → namespace
	Links []linkReport      `json:"links"`
}

type linkReport struct {
	Name string `json:"name"`
	labnet.LinkState
}

func show(lab *labnet.Lab, asJSON bool) error {
	r := report{Name: lab.Name(), Hosts: map[string]string{}}
	for _, h := range lab.Hosts() {
		r.Hosts[h.Name()] = h.Namespace()
	}
	for _, l := range lab.Links() {
		st, err := l.State()
		if err != nil {
			return err
		}
		r.Links = append(r.Links, linkReport{l.Name(), st})
	}
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	return printTable(lab, r)
}

func printTable(lab *labnet.Lab, r report) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "lab %s\n\nHOST\tNAMESPACE\tADDRESSES\n", r.Name)
	for _, h := range lab.Hosts() {
		fmt.Fprintf(w, "%s\t%s\t%s\n", h.Name(), h.Namespace(), strings.Join(addresses(lab, h.Name()), ", "))
	}
	fmt.Fprintf(w, "\nLINK\t\tRATE\tDELAY\tLOSS\tPACKETS\tBYTES\tDROPPED\tQUEUED\tSYNS (MPTCP, JOIN)\tSYN DATA\tSTATE\n")
	for _, l := range r.Links {
		if !l.Emulated {
			fmt.Fprintf(w, "%s\tplain\t\t\t\t\t\t\t\t\t\t%s\n", l.Name, stateOf(l.Config))
			continue
		}
		printDirection(w, l.Name, "down", l.Config.Down, l.Stats.Down, stateOf(l.Config))
		printDirection(w, "", "up", l.Config.Up, l.Stats.Up, "")
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, l := range r.Links {
		for _, s := range []labnet.Stats{l.Stats.Down, l.Stats.Up} {
			if s.LatePackets > 0 {
				fmt.Printf("%s: %d packets came over 1 ms late, worst %v: the machine was busy\n", l.Name, s.LatePackets, s.WorstLateness.Round(100*time.Microsecond))
			}
		}
	}
	return nil
}

func printDirection(w *tabwriter.Writer, name, dir string, c labnet.Shape, s labnet.Stats, state string) {
	delay := c.Delay.String()
	if c.Jitter > 0 {
		delay += "±" + c.Jitter.String()
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s%%\t%d\t%s\t%d\t%s\t%d (%d, %d)\t%s\t%s\n",
		name, dir, formatRate(c.Rate), delay, trim(c.Loss*100), s.Packets, formatBytes(s.Bytes), s.Drops.Total(),
		formatBytes(uint64(s.QueueBytes)), s.SYNs, s.CapableSYNs, s.JoinSYNs, formatBytes(s.SYNPayload), state)
}

func stateOf(c labnet.LinkConfig) string {
	var words []string
	for _, s := range []struct {
		is   bool
		word string
	}{
		{c.Off, "off"},
		{c.Blackhole, "blackhole"},
		{c.Strip.SYNData, "strips SYN data"},
		{c.Strip.MPTCP, "strips MPTCP"},
		{c.Capture != "", "capture " + c.Capture},
	} {
		if s.is {
			words = append(words, s.word)
		}
	}
	if words == nil {
		return "on"
	}
	return strings.Join(words, ", ")
}

// addresses of a host as a user needs them.
func addresses(lab *labnet.Lab, host string) []string {
	text := func(d labnet.Dual) string { return d.V4.String() + " " + d.V6.String() }
	var list []string
	switch host {
	case "lan":
		return []string{text(labnet.LAN(0)) + " (to .19 ::19)"}
	case "cpe":
		list = append(list, text(labnet.Gateway()))
		for _, w := range lab.Spec().WANs {
			near, _ := labnet.WANAddr(w.Name)
			list = append(list, w.Name+" "+text(near))
		}
	case "cgn":
		return []string{text(labnet.Translator()) + " (of all lines)"}
	case "edge":
		return []string{text(labnet.Edge())}
	case "core":
		return []string{text(labnet.Concentrator())}
	case "net":
		return []string{text(labnet.Server(0)) + " (to .19 ::19)"}
	}
	return list
}
