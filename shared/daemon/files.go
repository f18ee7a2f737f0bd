package daemon

import "golang.org/x/sys/unix"

// OpenFiles is how many descriptors the process may have (RLIMIT_NOFILE).
func OpenFiles() int {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 1024
	}
	return int(min(l.Cur, 1<<30))
}
