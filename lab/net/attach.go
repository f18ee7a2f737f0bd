package labnet

import "fmt"

// Attach returns a lab that another process raised. Its Down lets go of it;
// [Remove] removes it.
func Attach(name string) (*Lab, error) {
	if !labName.MatchString(name) {
		return nil, fmt.Errorf("lab name %q: want tandem or tandem-…", name)
	}
	rec, alive, err := owner(name)
	switch {
	case err != nil:
		return nil, err
	case rec.PID == 0:
		return nil, fmt.Errorf("lab %q is not up", name)
	case !alive:
		return nil, fmt.Errorf("lab %q: its link process is gone; take the lab down", name)
	}
	l := newLab(rec.Spec)
	l.wire()
	return l, nil
}
