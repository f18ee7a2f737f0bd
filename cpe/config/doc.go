// Package config turns the UCI file /etc/config/tandem into a Config whose
// every value is typed and in range.
//
// Reading order:
//
//	lex.go         words and statements, as libuci cuts them
//	uci.go         statements to sections, with the line of every value
//	tree_linux.go  the values, read through go-uci
//	raw.go         sections to raw structs: what may stand in the file
//	config.go      Config and all defaults
//	parse.go       raw structs to Config: ranges and cross-checks
//	value.go       one function per kind of value
//
// A file is taken whole or not at all. What libuci accepts is either read as
// libuci reads it or refused with file, line and a sentence; nothing in a file
// makes this package panic.
package config
