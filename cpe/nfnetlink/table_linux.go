package nfnetlink

import (
	"errors"

	"golang.org/x/sys/unix"
)

// of linux/netfilter/nfnetlink.h and nf_tables.h
const (
	groupTables = 7

	msgNewTable, msgGetTable, msgDelTable, msgDestroyTable = 0, 1, 2, 26
	msgNewChain                                            = 3

	tableName             = 1 // of a chain's and an object's table, too
	chainHook, hookNumber = 4, 1
)

// TableWatch learns that a table of family inet has been deleted, by whomever,
// and that another has got a chain that decides what is let in.
type TableWatch struct {
	name   string
	socket *socket
	buf    []byte
}

// WatchTable begins to listen. The kernel tells of each change of any table.
func WatchTable(name string) (*TableWatch, error) {
	s, err := open()
	if err != nil {
		return nil, err
	}
	if err := s.setInt(unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, groupTables); err != nil {
		s.file.Close()
		return nil, err
	}
	return &TableWatch{name: name, socket: s, buf: make([]byte, 8<<10)}, nil
}

// Wait waits until the table may be gone (it has been deleted and not made
// again in the same breath, or there was more to hear than could be kept;
// TableExists knows), or until a firewall has been loaded. After Close there is
// an error.
func (w *TableWatch) Wait() (firewall bool, err error) {
	for {
		n, err := w.socket.file.Read(w.buf)
		switch {
		case errors.Is(err, unix.ENOBUFS):
			return true, nil
		case err != nil:
			return false, err
		}
		gone, firewall := changes(w.buf[:n], w.name)
		if gone || firewall {
			return firewall, nil
		}
	}
}

// Close ends Wait.
func (w *TableWatch) Close() error { return w.socket.file.Close() }

// changes reads what the kernel tells. gone: of tables with that name the last
// word was that it is deleted. firewall: another got a chain for input.
func changes(b []byte, name string) (gone, firewall bool) {
	for m, rest, ok := split(b); ok; m, rest, ok = split(rest) {
		if m.kind>>8 != subsysTables || len(m.body) < genLen {
			continue
		}
		told := attrs(m.body[genLen:])
		ours := m.body[0] == unix.NFPROTO_INET && string(told.find(tableName)) == name+"\x00"
		switch kind := m.kind & 0xff; {
		case kind == msgNewTable && ours:
			gone = false
		case (kind == msgDelTable || kind == msgDestroyTable) && ours:
			gone = true
		case kind == msgNewChain && !ours:
			number := told.find(chainHook).find(hookNumber)
			firewall = firewall || string(number) == "\x00\x00\x00\x01" // NF_INET_LOCAL_IN
		}
	}
	return gone, firewall
}

// TableExists says whether there is a table of family inet with that name.
func TableExists(name string) (bool, error) {
	s, err := open()
	if err != nil {
		return false, err
	}
	defer s.file.Close()
	_, err = s.ask(message{kind: subsysTables<<8 | msgGetTable, flags: unix.NLM_F_ACK, family: unix.NFPROTO_INET, attrs: attrs(nil).text(tableName, name)})
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return err == nil, err
}
