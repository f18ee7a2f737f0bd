package labnet

// RunDir is the lab's folder for files that go with it: Down and Remove
// delete it.
func (l *Lab) RunDir() string { return runDir(l.Name()) }
