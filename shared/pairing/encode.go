package pairing

import (
	"encoding/base64"
	"strings"
)

// Scheme is what each line starts with.
const Scheme = "tandem://"

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// MaxLen is the length of the longest line in characters.
const MaxLen = len(Scheme) + maxChars + groupChecks*((maxChars+groupData-1)/groupData)

const maxChars = (8*maxContent + 5) / 6

// Encode writes the line. It fails where Parse would.
func (l *Line) Encode() (string, error) {
	if err := l.check(); err != nil {
		return "", err
	}
	data := base64.RawURLEncoding.EncodeToString(l.content())
	var out strings.Builder
	out.WriteString(Scheme)
	for len(data) > 0 {
		n := min(groupData, len(data))
		for _, v := range protect(values(data[:n])) {
			out.WriteByte(alphabet[v])
		}
		data = data[n:]
	}
	return out.String(), nil
}

// values are the numbers that characters of the alphabet stand for.
func values(s string) []byte {
	out := make([]byte, len(s), len(s)+groupChecks)
	for i := range s {
		out[i] = byte(strings.IndexByte(alphabet, s[i]))
	}
	return out
}
