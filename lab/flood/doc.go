// Package flood is an attacker: it makes connections from many addresses as
// fast as this machine can, and counts what becomes of them. It attacks hosts
// of the lab only, for a time that is said beforehand.
package flood
