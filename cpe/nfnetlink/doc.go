// Package nfnetlink speaks to netfilter where nft does not: it takes packets
// from a queue (queue_linux.go), adds the one rule that nft cannot write
// (xtqueue_linux.go), reads a counter (counter_linux.go), and hears that a table
// was deleted or a firewall loaded (table_linux.go). All need CAP_NET_ADMIN in
// the network namespace.
//
// The numbers are those of Linux' uapi headers linux/netfilter/nfnetlink.h,
// nfnetlink_queue.h and nf_tables.h.
package nfnetlink
