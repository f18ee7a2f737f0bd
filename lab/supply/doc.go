// Package supply checks what the daemons are made of: that every module in
// them is one we chose, under a licence we know, and that anybody who builds
// the same source gets the same bytes.
package supply
