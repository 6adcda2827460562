// SPDX-License-Identifier: Apache-2.0

package sqltext

// keyword holds a word in lower case, so that it can be looked up without
// allocating. It is as long as the longest name that is looked for.
type keyword [35]byte

// fold returns the word with its ASCII letters in lower case, or nil if it is too
// long to be looked for. The result lives in k.
func (k *keyword) fold(word string) []byte {
	if len(word) > len(k) {
		return nil
	}
	for i := range len(word) {
		k[i] = lower(word[i])
	}
	return k[:len(word)]
}

// lower folds one byte as PostgreSQL folds identifiers in every encoding that has
// more than one byte to a character: ASCII letters only
// (downcase_truncate_identifier in scansup.c).
func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// is reports whether t is the keyword, which is given in lower case.
func (l *lexer) is(t token, keyword string) bool {
	if t.kind != tokenWord || t.end-t.start != len(keyword) {
		return false
	}
	for i := range len(keyword) {
		if lower(l.text[t.start+i]) != keyword[i] {
			return false
		}
	}
	return true
}

// folded returns s with its ASCII letters in lower case: s itself if it has no
// others.
func folded(s string) string {
	for i := range len(s) {
		if lower(s[i]) != s[i] {
			b := []byte(s)
			for j := range b {
				b[j] = lower(b[j])
			}
			return string(b)
		}
	}
	return s
}
