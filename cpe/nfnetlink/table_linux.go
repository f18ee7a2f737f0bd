package nfnetlink

import (
	"errors"

	"golang.org/x/sys/unix"
)

// of linux/netfilter/nfnetlink.h and nf_tables.h
const (
	groupTables = 7

	msgNewTable, msgGetTable, msgDelTable, msgDestroyTable = 0, 1, 2, 26

	tableName = 1
)

// TableWatch learns that a table of family inet has been deleted, by whomever.
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

// Lost waits until the table may be gone: it has been deleted and not made
// again in the same breath, or there was more to hear than could be kept.
// TableExists knows. After Close there is an error.
func (w *TableWatch) Lost() error {
	for {
		n, err := w.socket.file.Read(w.buf)
		switch {
		case errors.Is(err, unix.ENOBUFS):
			return nil
		case err != nil:
			return err
		case deleted(w.buf[:n], w.name):
			return nil
		}
	}
}

// Close ends Lost.
func (w *TableWatch) Close() error { return w.socket.file.Close() }

// deleted reads what the kernel tells: of tables with that name, was the last
// word that it is deleted?
func deleted(b []byte, name string) bool {
	gone := false
	for m, rest, ok := split(b); ok; m, rest, ok = split(rest) {
		if m.kind>>8 != subsysTables || len(m.body) < genLen || m.body[0] != unix.NFPROTO_INET {
			continue
		}
		kind, value, _, _ := attrs(m.body[genLen:]).next()
		if kind != tableName || string(value) != name+"\x00" {
			continue
		}
		switch m.kind & 0xff {
		case msgNewTable:
			gone = false
		case msgDelTable, msgDestroyTable:
			gone = true
		}
	}
	return gone
}

// TableExists says whether there is a table of family inet with that name.
func TableExists(name string) (bool, error) {
	s, err := open()
	if err != nil {
		return false, err
	}
	defer s.file.Close()
	err = s.ask(message{kind: subsysTables<<8 | msgGetTable, flags: unix.NLM_F_ACK, family: unix.NFPROTO_INET, attrs: attrs(nil).text(tableName, name)})
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	return err == nil, err
}
