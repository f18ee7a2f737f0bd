package bugreport

import (
	"encoding/base64"
	"strings"
)

// removed stands where a secret was.
const removed = "(removed)"

// Scrubber takes secrets out of texts: those that it knows, and whatever looks
// like one.
type Scrubber struct {
	forms []string
}

// Know adds a secret. It is found as it is and in Base64 of either alphabet, also
// as a part of something longer; hexadecimal needs no knowledge.
func (s *Scrubber) Know(secret []byte) {
	if len(secret) < 4 { // everything would match
		return
	}
	s.forms = append(s.forms, string(secret))
	for before := range 3 { // bytes before it in the group of three
		text := append(make([]byte, before), secret...)
		first, last := (8*before+5)/6, 8*len(text)/6 // characters that are of the secret only
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			s.forms = append(s.forms, encoding.EncodeToString(text)[first:last])
		}
	}
}

// Clean returns text without secrets.
func (s *Scrubber) Clean(text string) string {
	for _, form := range s.forms {
		text = strings.ReplaceAll(text, form, removed)
	}
	return hexFree(lineFree(text))
}

// lineFree takes pairing lines out, whole or not.
func lineFree(text string) string {
	const scheme = "tandem://"
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, scheme)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString(scheme + removed)
		end := strings.IndexFunc(after, func(r rune) bool { return r <= ' ' || r == '\'' || r == '"' })
		if end < 0 {
			end = len(after)
		}
		text = after[end:]
	}
}

// fewestDigits is from where on hexadecimal digits in a row are taken for a
// secret: half a key.
const fewestDigits = 32

// hexFree takes long hexadecimal numbers out, also with a colon or a dash after
// each two digits.
func hexFree(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		end, digits := i, 0
		for end < len(text) {
			if isHex(text[end]) {
				digits++
			} else if c := text[end]; c != ':' && c != '-' || digits == 0 || digits%2 != 0 || !isHex(text[end-1]) {
				break
			}
			end++
		}
		switch {
		case digits >= fewestDigits:
			b.WriteString(removed)
		case end == i:
			end++
			fallthrough
		default:
			b.WriteString(text[i:end])
		}
		i = end
	}
	return b.String()
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// CleanConfig is Clean for a UCI file: what is no key's name where one belongs
// goes too, and so do cookies, which a concentrator may take for a proof.
func (s *Scrubber) CleanConfig(text string) string {
	var b strings.Builder
	for line := range strings.Lines(s.Clean(text)) {
		words := strings.Fields(line)
		if len(words) >= 3 && (unquoted(words[1]) == "cookie" || unquoted(words[1]) == "key" && !isKeyID(unquoted(words[2]))) {
			line = "\t" + words[0] + " " + words[1] + " '" + removed + "'\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

func unquoted(word string) string { return strings.Trim(word, `'"`) }

func isKeyID(text string) bool {
	return len(text) == 16 && strings.IndexFunc(text, func(r rune) bool { return r > 'f' || !isHex(byte(r)) }) < 0
}
