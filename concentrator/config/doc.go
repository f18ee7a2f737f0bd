// Package config turns the concentrator's TOML file into a Config whose every
// value is typed and in range.
//
// Reading order:
//
//	raw.go       what may stand in the file
//	config.go    Config and all defaults
//	parse.go     file to raw structs to Config: ranges and cross-checks
//	value.go     one function per kind of value
//	position.go  where each key stands, for errors
//	secret.go    the file that holds the cookie secret
//
// A file is taken whole or not at all. Every refusal names file, line and
// column and says what is allowed. The sample tandem-concentrator.toml, one
// folder up, states every key with its default; a test holds it to that.
package config
