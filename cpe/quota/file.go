package quota

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"tandem/shared/durable"
)

// record is what is kept of one line.
type record struct {
	Name   string
	Used   uint64 // bytes since the last reset
	Resets date   // the next one
	Day    int    // of the month, by which Resets was made

	// The device's counter when it was last read. In the same boot and of the
	// same device it is where counting goes on; else the counter began at zero
	// meanwhile.
	Boot    string // as the kernel names it
	Device  string
	Index   int
	Counter uint64
}

const (
	fileName = "quota"
	maxFile  = 1 << 16
)

// load reads the folder's file. Of a file that cannot be read nothing is used.
func load(folder string) ([]record, error) {
	d, err := durable.RLock(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	text, err := d.Read(fileName, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parse(string(text))
}

func parse(text string) ([]record, error) {
	var records []record
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		var r record
		if !r.read(strings.Fields(line)) {
			return nil, fmt.Errorf("quota file: %q is no count of a line", line)
		}
		records = append(records, r)
	}
	return records, nil
}

func (r *record) read(words []string) bool {
	if len(words) != 8 {
		return false
	}
	var numbers [5]uint64
	for i, at := range []int{1, 2, 3, 6, 7} {
		n, err := strconv.ParseUint(words[at], 10, 64)
		if err != nil {
			return false
		}
		numbers[i] = n
	}
	*r = record{
		Name: words[0], Used: numbers[0], Resets: date(numbers[1]), Day: int(numbers[2]),
		Boot: words[4], Device: words[5], Index: int(numbers[3]), Counter: numbers[4],
	}
	return true
}

func format(records []record) string {
	var b strings.Builder
	b.WriteString("# What the lines have used of their quotas: name, bytes, date of the next reset,\n# day of resets, boot, device, its index and counter. Written by tandem-cpe.\n")
	for _, r := range records {
		fmt.Fprintln(&b, r.Name, r.Used, int(r.Resets), r.Day, r.Boot, r.Device, r.Index, r.Counter)
	}
	return b.String()
}

// save replaces the file, which survives a power cut whole: old or new.
func save(folder string, records []record) error {
	if err := durable.Make(folder); err != nil {
		return err
	}
	d, err := durable.Lock(folder)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Write(fileName, []byte(format(records)))
}

// bootID is another one after each boot; "-" where the kernel does not say.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if id := strings.TrimSpace(string(text)); err == nil && id != "" {
		return id
	}
	return "-"
}
