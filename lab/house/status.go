package house

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"tandem/shared/control"
)

// Status is what the CPE says of itself, as far as labs look at it.
type Status struct {
	Concentrators []struct {
		Up     bool   `json:"up"`
		Reason string `json:"reason"`
		OnPath *struct {
			Taken  int64 `json:"taken"`
			Passed int64 `json:"passed"`
		} `json:"on_path"`
		Trust struct {
			Key           string `json:"key"`
			ClockOffsetMS int64  `json:"clock_offset_ms"`
			Proven        int64  `json:"proven_answers"`
			Unproven      int64  `json:"unproven_answers"`
			Retries       int64  `json:"clock_retries"`
		} `json:"trust"`
		SynData struct {
			Tried    int64 `json:"tried"`
			Acked    int64 `json:"acked"`
			FellBack int64 `json:"fell_back_to_tcp"`
		} `json:"syn_data"`
		Warm *Warm `json:"warm"`
	} `json:"concentrators"`
	Flows      Flows    `json:"flows"`
	Accept     string   `json:"accept"`
	Warnings   []string `json:"warnings"`
	Goroutines int      `json:"goroutines"`
}

// Flows counts the CPE's flows.
type Flows struct {
	Open     int   `json:"open"`
	Accepted int64 `json:"accepted"`
	Relayed  int64 `json:"relayed"`
	MPTCP    int64 `json:"mptcp"`
	Direct   int64 `json:"direct"`
	Refused  int64 `json:"refused"`
}

// Status asks the CPE.
func (h *House) Status() (Status, error) {
	return control.Ask[Status](h.CPE.Socket, "status")
}

// ReloadCPE sends SIGHUP and waits until the reload is done.
func (h *House) ReloadCPE(ctx context.Context) error {
	before := h.CPE.Log.Count("msg=reloaded")
	if err := h.CPE.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	for h.CPE.Log.Count("msg=reloaded") == before {
		if h.CPE.Log.Count("reload refused") > 0 {
			return fmt.Errorf("reload refused:\n%s", h.CPE.Log)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

// Warm is what the CPE says of the connections it made in advance.
type Warm struct {
	Ready    int     `json:"ready"`
	Opening  int     `json:"opening"`
	Wanted   int     `json:"wanted"`
	LifeS    int     `json:"life_s"`
	Hits     int64   `json:"hits"`
	Misses   int64   `json:"misses"`
	HitRatio float64 `json:"hit_ratio"`
	Made     int64   `json:"made"`
	Failed   int64   `json:"failed"`
	Lost     int64   `json:"lost"`
	Stale    int64   `json:"stale"`
	Shed     int64   `json:"shed"`
	Repaired int64   `json:"repaired"`
	Taken    int64   `json:"taken"`
}

// ConcentratorStatus is what the concentrator says of itself.
type ConcentratorStatus struct {
	PID       int   `json:"pid"`
	Open      int   `json:"open"`
	Pending   int   `json:"pending"`
	Accepted  int64 `json:"accepted"`
	Relayed   int64 `json:"relayed"`
	Inbound   int64 `json:"inbound"`
	OnPath    int64 `json:"on_path"`
	Refused   int64 `json:"refused"`
	Malformed int64 `json:"malformed"`
	Failed    int64 `json:"failed"`
	Overload  int64 `json:"overload"`

	TurnedAway int64 `json:"turned_away"`
	// Earlier are processes that have handed over and have connections.
	Earlier []struct {
		PID  int `json:"pid"`
		Open int `json:"open"`
	} `json:"earlier"`
	Goroutines int `json:"goroutines"`
	Parked     struct {
		Now int `json:"now"`
	} `json:"parked"`
}

// ConcentratorStatus asks the concentrator.
func (h *House) ConcentratorStatus() (ConcentratorStatus, error) {
	return control.Ask[ConcentratorStatus](h.Concentrator.Socket, "status")
}
