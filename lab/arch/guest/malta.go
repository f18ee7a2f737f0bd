package main

import (
	"bytes"
	"fmt"
	"os"
)

// shareInterrupts does on a Malta board what its firmware would, and QEMU
// starts the kernel without any: it says that the interrupts of PCI (10 and 11)
// are levels, not edges. Three network devices share two of them. Of an edge
// that comes while the other device's is being served nothing is seen, and
// both devices are dead from then on.
func shareInterrupts() error {
	cpu, err := os.ReadFile("/proc/cpuinfo")
	if err != nil || !bytes.Contains(cpu, []byte("mti,malta")) {
		return err
	}
	port, err := os.OpenFile("/dev/port", os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("interrupts: %w", err)
	}
	defer port.Close()
	const elcr2 = 0x4d1 // PIIX4: edge or level of interrupts 8 to 15, a bit each
	_, err = port.WriteAt([]byte{1<<(10-8) | 1<<(11-8)}, elcr2)
	return err
}
