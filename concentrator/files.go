package main

import (
	"log/slog"

	"github.com/tandem-mptcp/tandem/concentrator/config"
	"github.com/tandem-mptcp/tandem/shared/daemon"
)

// fit lowers the limits of cfg to what the process may have open: a connection
// that finds no descriptor when its server has answered already cannot be
// refused any more, only broken.
func fit(log *slog.Logger, cfg *config.Config) {
	const others = 64 // logs, listeners, control, the runtime's own
	files := daemon.OpenFiles()
	room := max(8, files-others)
	l := &cfg.Limits
	for _, limit := range []struct {
		name string
		n    *int
		most int
	}{
		{"max_connections", &l.MaxConnections, room / 4}, // two each
		{"max_setups", &l.MaxSetups, room / 32},          // two, and two more while the relay takes over
		{"max_pending", &l.MaxPending, room / 8},
		{"max_parked", &l.MaxParked, room / 8},
	} {
		if most := max(1, limit.most); *limit.n > most {
			log.Warn("the limit of open files is too low for the configuration", "limit", limit.name, "configured", *limit.n, "in_force", most, "open_files", files)
			*limit.n = most
		}
	}
}
