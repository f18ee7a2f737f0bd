// Package debian holds what makes the Debian package, and its test.
package debian
