// Package completion holds the shell completion of both programs and its test.
package completion
