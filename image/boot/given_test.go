package boot

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// given is what the hypervisor tells the machine, as arguments of QEMU.
type given []string

// smbios is a credential in the firmware's tables.
func smbios(name, value string) given {
	return given{"-smbios", "type=11,value=io.systemd.credential.binary:" + name + "=" + base64.StdEncoding.EncodeToString([]byte(value))}
}

// fwCfg is a credential by QEMU's own way.
func fwCfg(t *testing.T, name, value string) given {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credential")
	if err := os.WriteFile(path, []byte(value), 0o600); err != nil {
		t.Fatal(err)
	}
	return given{"-fw_cfg", "name=opt/io.systemd.credentials/" + name + ",file=" + path}
}

// seedDisk is NoCloud's disk with user data.
func seedDisk(t *testing.T, userData string) given {
	t.Helper()
	dir := t.TempDir()
	disk := filepath.Join(dir, "seed.img")
	command(t, "mkfs.vfat", "-C", "-n", "CIDATA", disk, "1440")
	for name, text := range map[string]string{"user-data": userData, "meta-data": "instance-id: test\n"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		command(t, "mcopy", "-i", disk, path, "::"+name)
	}
	return given{"-drive", "if=none,id=seed,format=raw,readonly=on,file=" + disk, "-device", "virtio-blk-pci,drive=seed"}
}

func mac(i int) string { return fmt.Sprintf("52:54:00:74:64:%02x", i+1) }

// network is the fixed address of interface i.
func network(i int, lines string) given {
	return smbios(fmt.Sprintf("network.network.10-test%d", i),
		fmt.Sprintf("[Match]\nMACAddress=%s\n[Network]\nIPv6AcceptRA=no\nLLMNR=no\n%s\n", mac(i), lines))
}
