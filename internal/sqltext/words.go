// SPDX-License-Identifier: Apache-2.0

package sqltext

// Words returns every keyword and identifier of the text, each once, as
// PostgreSQL keeps them: in lower case, or as quoted. They are all names that a
// function, table or column could have. It is not ok where some cannot be read:
// the text is not terminated, has a U&"…", or a name that PostgreSQL may cut
// elsewhere: that depends on the database's encoding.
func Words[T Text](text T) (words []string, ok bool) {
	h := head{lexer: lexer{text: view(text)}}
	seen := make(map[string]bool)
	for h.advance(); h.tok.kind != tokenEnd; {
		if h.tok.kind == tokenUnicode || h.tok.kind == tokenBroken {
			return nil, false
		}
		if !isName(h.tok) {
			h.advance()
			continue
		}
		if h.cutAnywhere(h.tok) {
			return nil, false
		}
		if word, _ := h.name(); !seen[word] {
			seen[word] = true
			words = append(words, word)
		}
	}
	return words, h.flags&Unterminated == 0
}
