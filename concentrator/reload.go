package main

import (
	"errors"
	"log/slog"
	"reflect"
	"slices"

	"tandem/concentrator/config"
	"tandem/concentrator/service"
)

// reload takes a new configuration whole or not at all.
func (d *concentrator) reload() {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	service.Reloading()
	defer service.Ready()
	if err := d.tryReload(); err != nil {
		d.log.Error("reload refused, the configuration in force stays", "err", err)
		return
	}
	d.log.Info("reloaded")
}

func (d *concentrator) tryReload() error {
	cfg, err := config.Load(d.options.configFile)
	if err != nil {
		return err
	}
	fit(d.log, cfg)
	old := d.server.settings.Load().config
	if !slices.Equal(cfg.Listen, old.Listen) || cfg.Control != old.Control || cfg.State != old.State || cfg.Metrics != old.Metrics || cfg.Mark != old.Mark ||
		cfg.FastOpen != old.FastOpen || cfg.FastOpenQueue != old.FastOpenQueue || cfg.Limits.MaxNonces != old.Limits.MaxNonces || cfg.BindingLog.Block != old.BindingLog.Block || !reflect.DeepEqual(cfg.OnPath, old.OnPath) {
		return errors.New("listen, control, state, metrics, mark, fast_open, fast_open_queue, max_nonces, block and on_path take effect at a restart only")
	}
	next, err := d.server.newSettings(cfg, d.secret)
	if err != nil {
		return err
	}
	before := d.server.settings.Swap(next)
	d.server.front.SetLimit(cfg.Limits.FailuresPerMinute)
	d.server.admission.SetTotals(cfg.Limits.MaxConnections, cfg.Limits.MaxSetups)
	// Where clients may go depends on both.
	if err := d.reloadStore(); err != nil {
		d.server.settings.Store(before)
		return err
	}
	d.onPath.follow(d.log, next)
	d.level.Set(cfg.Log.Level)
	logWarnings(d.log, cfg)
	return nil
}

func logWarnings(log *slog.Logger, cfg *config.Config) {
	for _, w := range cfg.Warnings {
		log.Warn("configuration: " + w)
	}
}
