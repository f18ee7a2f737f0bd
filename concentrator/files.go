package main

import (
	"fmt"
	"log/slog"
	"strings"

	"tandem/concentrator/config"
	"tandem/shared/daemon"
)

// fit lowers the limits of cfg to what the process may have open: a connection
// that finds no descriptor when its server has answered already cannot be
// refused any more, only broken.
func fit(log *slog.Logger, cfg *config.Config) {
	const others = 64 // logs, listeners, control, the runtime's own
	files := daemon.OpenFiles()
	room := max(8, files-others)
	l := &cfg.Limits
	var lowered []string
	for _, limit := range []struct {
		name string
		n    *int
		most int
	}{
		{"max_connections", &l.MaxConnections, room * 3 / 8}, // two each
		{"max_setups", &l.MaxSetups, room / 32},              // two, and two more while the relay takes over
		{"max_pending", &l.MaxPending, room / 16},
		{"max_parked", &l.MaxParked, room / 16},
	} {
		if most := max(1, limit.most); *limit.n > most {
			lowered = append(lowered, fmt.Sprintf("%s %d instead of %d", limit.name, most, *limit.n))
			*limit.n = most
		}
	}
	if lowered != nil {
		log.Warn("the limit of open files is too low for the configuration", "open_files", files, "in_force", strings.Join(lowered, ", "))
	}
}
