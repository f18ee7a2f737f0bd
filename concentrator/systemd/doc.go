// Package systemd holds the units and settings that the Debian package and the
// image install, and their tests.
package systemd
