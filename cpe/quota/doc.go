// Package quota counts what access lines carry against what their contracts
// include: all that the device sends and receives, Tandem's or not, by the
// kernel's counters.
//
// What was counted survives a restart, a reboot and a new device in the place
// of the old one, with few writes to flash: see [Ledger.Run]. The period ends on
// a day of the month, by a clock that may be wrong: see [record.settle].
//
// Read ledger.go (counting), period.go (days), file.go (what is kept).
package quota
