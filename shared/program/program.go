// Package program runs other programs to their end. It does without os/exec,
// whose pipes and goroutines are 0.1 MB of a router's program: what a program
// reads and writes is kept in files without a name, in memory.
package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// usual folders of programs. In procd's jail there is no PATH.
const usual = "/usr/sbin:/usr/bin:/sbin:/bin"

// Find returns where a program is: in the folders of $PATH or else in the usual
// ones, unless its name has a slash. The error is fs.ErrNotExist where it is in
// none.
func Find(name string) (path string, err error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH") + ":" + usual) {
		path := filepath.Join(dir, name)
		if !filepath.IsAbs(path) { // what lies where one happens to be is nobody's choice
			continue
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && unix.Access(path, unix.X_OK) == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("program %q: %w", name, fs.ErrNotExist)
}

// Run runs a program with input as its standard input and returns what it wrote
// to the other two. Where ctx ends first, the program is killed and the error is
// that of ctx. The error is fs.ErrNotExist where there is no such program, and
// tells the exit status where that is not 0; output and complaints are given
// then, too.
func Run(ctx context.Context, input, name string, args ...string) (output, complaints string, err error) {
	path, err := Find(name)
	if err != nil {
		return "", "", err
	}
	var files [3]*os.File
	for i := range files {
		if files[i], err = memory(); err != nil {
			return "", "", err
		}
		defer files[i].Close()
	}
	if _, err := files[0].WriteString(input); err != nil {
		return "", "", err
	}
	if _, err := files[0].Seek(0, io.SeekStart); err != nil {
		return "", "", err
	}
	p, err := Start(path, append([]string{name}, args...), false, files[:]...)
	if err != nil {
		return "", "", err
	}
	kept := context.AfterFunc(ctx, p.Kill)
	status, err := p.Wait()
	kept()
	if err != nil {
		return "", "", err
	}
	if output, err = contents(files[1]); err != nil {
		return "", "", err
	}
	if complaints, err = contents(files[2]); err != nil {
		return "", "", err
	}
	switch {
	case status == 0:
	case ctx.Err() != nil:
		err = ctx.Err()
	default:
		err = errors.New(status.String())
	}
	return output, complaints, err
}

// memory makes an empty file. What a program leaves running may go on writing
// to it; nobody waits for that.
func memory() (*os.File, error) {
	fd, err := unix.MemfdCreate("tandem", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memory for a program's input and output: %w", err)
	}
	return os.NewFile(uintptr(fd), "memory"), nil
}

func contents(f *os.File) (string, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	b, err := io.ReadAll(f)
	return string(b), err
}
