package nfnetlink

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// of linux/netfilter/nf_tables.h
const (
	msgGetObject = 19

	objectName, objectType, objectData = 2, 3, 4
	typeCounter                        = 1
	counterPackets                     = 2
)

// Packets reads a named counter of a table of family inet.
func Packets(table, counter string) (uint64, error) {
	s, err := open()
	if err != nil {
		return 0, err
	}
	defer s.file.Close()
	object, err := s.ask(message{kind: subsysTables<<8 | msgGetObject, flags: unix.NLM_F_ACK, family: unix.NFPROTO_INET,
		attrs: attrs(nil).text(tableName, table).text(objectName, counter).uint32(objectType, typeCounter)})
	if packets := object.find(objectData).find(counterPackets); len(packets) == 8 {
		return binary.BigEndian.Uint64(packets), err
	}
	return 0, err
}
