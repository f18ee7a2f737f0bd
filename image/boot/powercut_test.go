package boot

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestPowerCut pulls the plug at random moments: of the first boot, of later
// ones, and after one while clients are being added. The machine always comes
// back, with every client that it said it had, and its journal is whole.
func TestPowerCut(t *testing.T) {
	start := *seed
	if start == 0 {
		start = time.Now().UnixNano()
	}
	t.Logf("seed %d", start)
	random := rand.New(rand.NewSource(start))
	h := newHouse(t)
	op := newOperator(t, h)
	told := append(networks(), smbios("tandem.ssh-keys", op.public))
	v := newVM(t, hardware{disk: "virtio"}, h.line1, h.line2, h.uplink)

	// How much work a boot is, on another disk. The moments are in that measure:
	// by the clock a host that gets busy would have all of them early.
	whole := newVM(t, hardware{disk: "virtio"}, h.line1, h.line2, h.uplink)
	begin := time.Now()
	whole.start(t, told...)
	whole.wait(t, ready)
	boot := whole.worked(t)
	whole.kill()
	t.Logf("a boot takes %.0f s, of which QEMU works %.0f s", time.Since(begin).Seconds(), boot.Seconds())

	line, booted := "", regexp.MustCompile(ready)
	var promised []string // clients
	for i := range *cuts {
		part := random.Float64()
		v.start(t, told...)
		var names []string
		if i%2 == 0 {
			v.work(t, time.Duration(part*float64(boot)))
			v.kill()
		} else {
			v.wait(t, ready)
			names = v.killAdding(t, op, i, time.Duration(part*float64(20*time.Second)))
		}
		shown := v.console.line()
		t.Logf("cut %d: with %.0f %% of the work; pairing line shown: %v, ready: %v, clients added: %d",
			i+1, 100*part, shown != "", booted.MatchString(v.console.String()), len(names))
		promised = append(promised, names...)
		if shown != "" && line != "" && shown != line {
			t.Errorf("cut %d: another first client", i+1)
		}
		if shown != "" {
			line = shown
		}
	}
	v.start(t, told...)
	v.healthy(t)
	if line == "" {
		line = v.wait(t, pairing)[1]
	}
	var list struct {
		Clients []struct {
			Name string `json:"name"`
		} `json:"clients"`
	}
	if err := json.Unmarshal([]byte(op.run(t, nil, "tandem-concentrator client list --json")), &list); err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, c := range list.Clients {
		there[c.Name] = true
	}
	for _, name := range promised {
		if !there[name] {
			t.Errorf("client %s is lost", name)
		}
	}
	t.Logf("%d clients were added between cuts, %d are there", len(promised), len(there))
	h.pair(t, line)
	h.through(t)
	v.shutdown(t)
	journal(t, v)
}

// work waits until QEMU has used so much processor time since it was started.
func (v *vm) work(t *testing.T, d time.Duration) {
	t.Helper()
	for late := v.patience(); v.worked(t) < d; time.Sleep(50 * time.Millisecond) {
		if late() {
			t.Fatalf("QEMU has worked for %s only, want %s:\n%s", v.worked(t), d, v.console)
		}
	}
}

// killAdding adds clients one after the other, and pulls the plug when QEMU has
// worked for d more. It returns those that the machine said it had.
func (v *vm) killAdding(t *testing.T, op operator, cut int, d time.Duration) []string {
	t.Helper()
	var said bytes.Buffer
	c := op.cmd(fmt.Sprintf(`n=0; while n=$((n+1)); do tandem-concentrator client add cut%[1]d-$n > /dev/null && echo cut%[1]d-$n; done`, cut))
	c.Stdout = &said
	ended, err := child(c)
	if err != nil {
		t.Fatal(err)
	}
	v.work(t, v.worked(t)+d)
	v.kill()
	_ = c.Process.Kill()
	<-ended
	whole := said.String()
	return strings.Fields(whole[:strings.LastIndexByte(whole, '\n')+1])
}
